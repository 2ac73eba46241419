"""Tables as people export them, each with how it is ingested and what must come out."""

from __future__ import annotations

import gzip
import json

import pandas as pd

from tests.component.layout_samples import AT, SHOP, DataSetCase

REES46 = """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,21,,shiny,35.79,541,s1
2019-10-01 00:00:04 UTC,cart,3900821,20,a.b,aqua,33.20,554,s2
2019-10-01 00:00:09.25 UTC,purchase,3900821,20,a.b,aqua,33.20,554,s2
"""
REES46_WORDS = "--user user_id --item product_id --at event_time"
DIGINETICA = """sessionId;userId;itemId;timeframe;eventdate
1;NA;81766;526309;2016-05-09
1;NA;31331;1031018;2016-05-09
2;17;32118;243569;2016-05-09
2;17;9654;75848;2016-05-10
"""
YOOCHOOSE = (
    "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n"
    "2,2014-04-07T13:56:37.614Z,214662742,S\n"
)
YELP = (
    '{"review_id":"r1","user_id":"uA","business_id":"bA","stars":3.0,'
    '"date":"2018-07-07 22:09:11"}\n'
    '{"review_id":"r2","user_id":"uB","business_id":"bA","stars":"5.0",'
    '"date":"2012-01-03 15:28:18"}\n'
)
YELP_ITEMS = """{"business_id":"bA","name":"Cafe","categories":"Coffee, Cake","city":"Ulm"}
{"business_id":"bB","name":"Bar","categories":null,"city":"Ulm"}
"""
STEAM = (
    "{u'username': u'Chaos', u'product_id': u'725280', u'hours': 0.1, "
    """u'text': u"it's \\xe9", u'date': u'2017-12-17'}\n"""
    "{u'username': u'Ana', u'product_id': u'725280', u'hours': 51.1, "
    "u'text': u'', u'date': u'2017-12-18'}\n"
)
GOODREADS = (
    '{"user_id":"8842","book_id":"24375664","rating":5,"date_added":"Fri Aug 25 13:55:02 '
    '-0700 2017"}\n'
)
MONGO = (
    '{"_id":{"$oid":"5f"},"user":{"id":{"$numberLong":"17"}},"item":"a",'
    '"at":{"$date":"2020-01-01T00:00:00Z"}}\n'
    '{"_id":{"$oid":"60"},"user":{"id":18},"item":"b",'
    '"at":{"$date":{"$numberLong":"1577836800000"}}}\n'
)
LASTFM = (
    'u1\t2009-05-04T23:08:57Z\ta1\tDeep "Blue\n'
    'u2\t2009-05-04T13:52:04Z\tb2\t"weird name" band\nu3\t2009-05-04T13:52:05Z\tc3\tplain\n'
)
HM = (
    "t_dat,customer_id,article_id,price,sales_channel_id\n"
    "2018-09-20,000058a1,0663713001,0.05,2\n2018-09-20,000058a1,0541518023,0.03,2\n"
)
HM_ITEMS = (
    "article_id,product_code,prod_name,colour_group_name\n"
    "0663713001,0663713,Push-up bra,Black\n0541518023,0541518,Rae,Pink\n"
)


def parquet(number: int) -> bytes:
    """Return a table in Parquet whose users were written by `astype(str)`.

    A missing user is then the text `nan`.
    """
    frame = pd.DataFrame(
        {
            "user": ["a", "b", "nan"],
            "item": [1, 2, 3],
            "ts": pd.to_datetime([AT + number] * 3, unit="s"),
        }
    )
    content = frame.to_parquet()
    assert content is not None
    return content


TABLES: dict[str, DataSetCase] = {
    "times as BigQuery writes them": DataSetCase(
        files={"2019-Oct.csv": REES46},
        words=REES46_WORDS,
        types={"view": 3},
        users=2,
        warns="event_type looks like the type of each event",
    ),
    "types of REES46": DataSetCase(
        files={"2019-Oct.csv": REES46},
        words=f"{REES46_WORDS} --type event_type --types cart=add_to_cart",
        types={"view": 1, "add_to_cart": 1, "purchase": 1},
        users=2,
    ),
    "types of REES46, unmapped": DataSetCase(
        files={"2019-Oct.csv": REES46},
        words=f"{REES46_WORDS} --type event_type",
        types={"view": 1, "add_to_cart": 1, "purchase": 1},
        users=2,
    ),
    "likes and dislikes": DataSetCase(
        files={
            "f.csv": (
                f"user,item,ts,event\nu1,i1,{AT},liked\nu1,i2,{AT},thumbs_down\n"
                f"u2,i1,{AT},Favorite\n"
            )
        },
        words=f"{SHOP} --type event",
        types={"like": 1, "dislike": 1, "save": 1},
        users=2,
    ),
    "times as Go prints them": DataSetCase(
        files={
            "f.csv": (
                "user,item,ts\na,r1,2021-12-01 06:29:15 +0000 UTC\n"
                "b,r2,2021-12-01 07:29:15.5 +0300 MSK m=+0.1\n"
            )
        },
        types={"view": 2},
        users=2,
    ),
    "times with the day first": DataSetCase(
        files={"f.csv": "user,item,ts\na,r1,29-01-2021 07:01\n"}, refusal="ISO 8601"
    ),
    "times with a zone's name": DataSetCase(
        files={"f.csv": "user,item,ts\na,r1,2021-01-29 07:01:00 MSK\n"}, refusal="ISO 8601"
    ),
    "NA for nobody": DataSetCase(
        files={"train-item-views.csv": DIGINETICA},
        words="--user userId --item itemId --at eventdate",
        types={"view": 2},
        users=1,
        rejected=2,
        warns="2 of 4 rows were left out: userId: NA is a word for nobody",
    ),
    "words for nobody": DataSetCase(
        files={
            "f.csv": "user,item,ts\n"
            + "".join(
                f"{word},i,{AT}\n" for word in ("null", "undefined", "N/A", "<NA>", "none", "u")
            )
        },
        types={"view": 1},
        users=1,
        rejected=5,
        warns="undefined is a word for nobody",
    ),
    "0 for nobody": DataSetCase(
        files={"f.csv": f"user,item,ts\n0,a,{AT}\n0,b,{AT}\nu,a,{AT}\n"},
        types={"view": 3},
        users=2,
        warns="are of user '0'",
    ),
    "no header and no names": DataSetCase(
        files={"yoochoose-clicks.dat": YOOCHOOSE}, words="", refusal="--header"
    ),
    "no header, the first row taken for one": DataSetCase(
        files={"f.csv": YOOCHOOSE},
        words="--user 1 --item 214536502 --at 2014-04-07T10:51:09.277Z",
        refusal="--header",
    ),
    "no header, columns by number": DataSetCase(
        files={"f.csv": YOOCHOOSE}, words="--user 1 --item 3 --at 2", refusal="--header none"
    ),
    "no header, columns named": DataSetCase(
        files={"yoochoose-clicks.dat": YOOCHOOSE},
        words=f"{SHOP} --header user,ts,item,category",
        types={"view": 3},
        users=2,
    ),
    "no header, columns numbered": DataSetCase(
        files={"yoochoose-clicks.dat": YOOCHOOSE},
        words="--user 1 --item 3 --at 2 --header none",
        types={"view": 3},
        users=2,
    ),
    "a wrong number of names": DataSetCase(
        files={"f.csv": YOOCHOOSE}, words=f"{SHOP} --header user,ts,item", refusal="found 4 columns"
    ),
    "names for a file with a header": DataSetCase(
        files={"f.csv": f"user,item,ts\nu,i,{AT}\n"},
        words=f"{SHOP} --header user,item,ts",
        refusal="leave --header out",
    ),
    "columns that pandas numbered": DataSetCase(
        files={"f.csv": f"0,1,2\nu,i,{AT}\n"},
        words="--user 0 --item 1 --at 2",
        types={"view": 1},
        users=1,
    ),
    "JSON lines": DataSetCase(
        files={"reviews.json": YELP},
        words="--user user_id --item business_id --at date --rating stars",
        types={"rating": 2},
        users=2,
    ),
    "JSON lines with a file of items": DataSetCase(
        files={"review.json": YELP, "business.json": YELP_ITEMS},
        words=(
            "--user user_id --item business_id --at date --items {}/business.json --title "
            "name --attributes categories,city"
        ),
        types={"view": 2},
        users=2,
        items=2,
    ),
    "Python's literals": DataSetCase(
        files={"steam_reviews.json.gz": gzip.compress(STEAM.encode())},
        words="--user username --item product_id --at date",
        types={"view": 2},
        users=2,
    ),
    "Goodreads' dates": DataSetCase(
        files={"goodreads.json": GOODREADS},
        words="--user user_id --item book_id --at date_added --rating rating",
        types={"rating": 1},
        users=1,
    ),
    "MongoDB's wrapped values": DataSetCase(
        files={"events.json": MONGO},
        words="--user user.id --item item --at at",
        types={"view": 2},
        users=2,
    ),
    "a list in JSON": DataSetCase(
        files={"f.json": json.dumps([{"user": 1}, {"user": 2}], indent=1)}, refusal="jq -c"
    ),
    "a name that no object has": DataSetCase(
        files={"reviews.json": YELP}, words=SHOP, refusal="column item"
    ),
    "Excel's sep= line": DataSetCase(
        files={"f.csv": f"sep=;\r\nuser;item;ts\r\nu1;i1;{AT}\r\n"}, types={"view": 1}, users=1
    ),
    "blanks after commas": DataSetCase(
        files={"f.csv": f'user, "item", ts, name\nu1, "i, 1", {AT}, "a, b"\n'},
        words=f"{SHOP} --title name",
        types={"view": 1},
        users=1,
        items=1,
    ),
    "blank lines first": DataSetCase(
        files={"f.csv": f"\n,,\nuser,item,ts\nu1,i1,{AT}\n"}, types={"view": 1}, users=1
    ),
    "blanks as delimiters": DataSetCase(
        files={"f.txt": f"user item ts\nu1  i1 {AT}\n"}, types={"view": 1}, users=1
    ),
    "quotes between tabs": DataSetCase(
        files={"plays.tsv": "user\tts\titem\tname\n" + LASTFM},
        words=f"{SHOP} --title name",
        types={"view": 3},
        users=3,
        items=3,
    ),
    "flags of clicks": DataSetCase(
        files={"f.csv": f"user,item,ts,is_click\nu,i,{AT},1\nu,j,{AT},0\nu,k,{AT},False\n"},
        words=f"{SHOP} --type is_click",
        types={"click": 1, "impression": 2},
        users=1,
    ),
    "flags that are not used": DataSetCase(
        files={"f.csv": f"user,item,ts,is_click\nu,i,{AT},1\n"},
        types={"view": 1},
        users=1,
        warns="--type is_click",
    ),
    "words of types in a column of another name": DataSetCase(
        files={"f.csv": f"user,item,ts,what\nu,i,{AT},pv\nu,i,{AT},buy\n"},
        types={"view": 1},
        users=1,
        rejected=1,
        warns="--type what",
    ),
    "Taobao's types": DataSetCase(
        files={
            "UserBehavior.csv": (
                f"1,2268318,2520377,pv,{AT}\n1,2333346,2520771,buy,{AT}\n"
                f"1,2576651,149192,fav,{AT}\n"
            )
        },
        words=f"{SHOP} --type what --header user,item,category,what,ts",
        types={"view": 1, "purchase": 1, "save": 1},
        users=1,
    ),
    "numbers of types": DataSetCase(
        files={"f.csv": f"user,item,ts,action\nu,i,{AT},3\n"},
        words=f"{SHOP} --type action",
        refusal="--types 3=view",
    ),
    "numbers of types, mapped": DataSetCase(
        files={"f.csv": f"user,item,ts,action\nu,i,{AT},3\nu,i,{AT},1.0\n"},
        words=f"{SHOP} --type action --types 3=purchase,1=view",
        types={"purchase": 1, "view": 1},
        users=1,
    ),
    "a misspelt type": DataSetCase(
        files={"f.csv": f"user,item,ts,action\nu,i,{AT},purchas e\nu,i,{AT},view\n"},
        words=f"{SHOP} --type action",
        types={"purchas e": 1, "view": 1},
        users=1,
        warns="'purchas e=purchase'",
    ),
    "JSON lines next to a text": DataSetCase(
        files={
            "README.txt": "What these files are.\n",
            "events.jsonl": f'{{"user": "u1", "item": "a", "ts": {AT}}}\n',
        },
        types={"view": 1},
        users=1,
        warns="README.txt lacks a named column",
    ),
    "paths in JSON lines next to a table": DataSetCase(
        files={"events.json": MONGO, "shops.csv": "shop,city\n1,Ulm\n"},
        words="--user user.id --item item --at at",
        types={"view": 2},
        users=2,
        warns="shops.csv lacks a named column",
    ),
    "a table and JSON lines with the same columns": DataSetCase(
        files={
            "a.csv": f"user,item,ts\nu1,i1,{AT}\n",
            "b.jsonl": f'{{"user": "u1", "item": "a", "ts": {AT}}}\n',
        },
        refusal="a.csv, b.jsonl",
    ),
    "H&M": DataSetCase(
        files={"transactions_train.csv": HM, "articles.csv": HM_ITEMS},
        words=(
            "--user customer_id --item article_id --at t_dat --items {}/articles.csv "
            "--title prod_name --attributes colour_group_name"
        ),
        types={"view": 2},
        users=1,
        items=2,
    ),
    "Spark's parts": DataSetCase(
        files={
            "_SUCCESS": "",
            ".part-00000-a.csv.crc": b"crc\0",
            "part-00000-a.csv": f"user,item,ts\nu1,i1,{AT}\n",
            "part-00001-a.csv": f"user,item,ts\nu2,i1,{AT}\nu1,i1,{AT}\n",
            "part-00002-a.csv": "",
        },
        types={"view": 2},
        users=2,
        rejected=1,
    ),
    "files by the month": DataSetCase(
        files={"2019-Oct.csv": REES46, "2019-Nov.csv": REES46.replace("2019-10", "2019-11")},
        words=f"{REES46_WORDS} --parts",
        types={"view": 6},
        users=2,
        warns="--type event_type",
    ),
    "files by the month, without --parts": DataSetCase(
        files={"2019-Oct.csv": REES46, "2019-Nov.csv": REES46},
        words=REES46_WORDS,
        refusal="--parts",
    ),
    "Spark's parts of Parquet": DataSetCase(
        files={
            "_SUCCESS": "",
            "_committed_1": "x",
            **{f"part-{number:05}-a.c000.snappy.parquet": parquet(number) for number in (0, 1)},
        },
        types={"view": 4},
        users=2,
        rejected=2,
        warns="user: nan is a word for nobody",
    ),
    "parts with other columns": DataSetCase(
        files={
            "part-0.csv": f"user,item,ts\nu1,i1,{AT}\n",
            "part-1.csv": f"user,item,ts,more\nu1,i1,{AT},x\n",
        },
        refusal="other columns",
    ),
    "attributes without a file of items": DataSetCase(
        files={"f.csv": "user,item,ts\n"}, words=f"{SHOP} --attributes colour", refusal="--items"
    ),
    "--types without --type": DataSetCase(
        files={"f.csv": "user,item,ts\n"}, words=f"{SHOP} --types 1=click", refusal="--type"
    ),
}
