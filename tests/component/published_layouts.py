"""Files of publishers in their odd forms, each with the result of ingesting it."""

from __future__ import annotations

from tests.component.layout_samples import AT, MIND, DataSetCase

RETAILROCKET = (
    "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n"
    "1433224214164,992329,transaction,248676,4000\n"
)
PUBLISHED: dict[str, DataSetCase] = {
    "Retailrocket": DataSetCase(
        files={"events.csv": RETAILROCKET, "category_tree.csv": "categoryid,parentid\n1016,213\n"},
        words="--user visitorid --item itemid --at timestamp --type event",
        types={"view": 1, "purchase": 1},
        users=2,
        warns="category_tree.csv lacks a named column",
    ),
    "MIND's own file": DataSetCase(
        files={"behaviors.tsv": "1\tU1\t11/15/2019 8:55:22 AM\tN1 N2\tN3-1 N4-0\n"},
        words="",
        refusal="MIND in RecBole's form",
    ),
    "RecBole's labels": DataSetCase(
        files={"mind.inter": MIND},
        words="",
        types={"click": 1, "impression": 2},
        users=2,
        warns="label is read",
    ),
    "RecBole without tabs": DataSetCase(
        files={"s.inter": MIND.replace("\t", " ")}, words="", refusal="tab"
    ),
    "RecBole without tabs, named": DataSetCase(
        files={"s.inter": MIND.replace("\t", " ")},
        words="--user user_id --item item_id --at timestamp --type label",
        types={"click": 1, "impression": 2},
        users=2,
    ),
    "RecBole's sessions": DataSetCase(
        files={"d.inter": MIND.replace("user_id", "session_id")},
        words="",
        refusal="--user session_id",
    ),
    "RecBole's sessions, named": DataSetCase(
        files={"d.inter": MIND.replace("user_id", "session_id")},
        words="--user session_id --item item_id --at timestamp",
        types={"view": 3},
        users=2,
        warns="--type label",
    ),
    "RecBole's empty ratings": DataSetCase(
        files={
            "ml.inter": (
                "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
                "1\t2\t3\t881250949\n1\t3\t\t881250950\n"
            )
        },
        words="",
        types={"rating": 1, "view": 1},
        users=1,
    ),
    "RecBole's milliseconds": DataSetCase(
        files={
            "x.inter": (
                f"user_id:token\titem_id:token\ttimestamp:float\n1\t2\t{AT}000\n"
                "1\t3\t2020-09-13 12:26:40\n"
            )
        },
        words="",
        types={"view": 2},
        users=1,
    ),
    "Kaggle's MovieLens 20M": DataSetCase(
        files={
            "rating.csv": (
                '"userId","movieId","rating","timestamp"\n1,2,3.5,"2005-04-02 23:53:47"\n'
            ),
            "movie.csv": '"movieId","title","genres"\n2,"Jumanji (1995)","Adventure"\n',
        },
        words="",
        types={"rating": 1},
        users=1,
        items=1,
    ),
    "Amazon's ratings with a header": DataSetCase(
        files={
            "ratings_Beauty.csv": (
                "UserId,ProductId,Rating,Timestamp\nA39,0205616461,5.0,1369699200\n"
            )
        },
        words="",
        types={"rating": 1},
        users=1,
    ),
    "Amazon's ratings as text": DataSetCase(
        files={
            "Beauty.json": (
                '{"reviewerID":"A1","asin":"B000000001","overall":"4.0",'
                '"unixReviewTime":1369699200}\n'
            )
        },
        words="",
        types={"rating": 1},
        users=1,
    ),
    "a title with the separator": DataSetCase(
        files={
            "ratings.dat": f"1::2::4::{AT}\n",
            "movies.dat": "2::Lies :: Truth (1995)::Drama|War\n",
        },
        words="",
        types={"rating": 1},
        users=1,
        items=1,
    ),
}
