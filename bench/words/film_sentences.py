"""Sentences about a film that state facts: true ones, and the same with one fact changed.

They are written without a look at the product's templates, in many wordings, as a language model
might phrase a brief. Each text comes with its statements, so that a program can look them up in the
data: the product's verifier has no part in what counts as true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from bench.words.film_facts import FilmFacts

Language = Literal["en", "zh"]
Slots = Mapping[str, str]
SLOT = re.compile(r"\{(\w+)\}")

# slots: t the film, n the film of the history, g and h genres, s a genre of both films, y the year,
# d director, a actor, w writer. A wording is used where all of its slots are known.
ENGLISH = (
    "“{t}” is a {g} film from {y}.",
    "Made in {y}, “{t}” mixes {g} and {h}.",
    "If “{n}” stayed with you, “{t}” is a natural next step.",
    "Because you enjoyed “{n}”, here is more {g}.",
    "{d} directs {a} in this {g} story.",
    "A {g} film by {d}, with {a} in the cast.",
    "Like “{n}”, this one leans on {s}.",
    "Directed by {d} and written by {w}, it brings {g} to a quiet evening.",
    "You watched “{n}”. Try “{t}”, another take on {g}.",
    "Step into {g} with “{t}” from {y}.",
    "A slow evening calls for {g}: “{t}”.",
    "For fans of “{n}” who want more {g}.",
    "Your interest in “{n}” led us to “{t}”.",
    "This {y} film blends {g} with a touch of {h}.",
    "Looking for {g}? “{t}” has plenty, and {a} too.",
    "“{t}” shares its love of {s} with “{n}”.",
    "Enjoyed “{n}”? Then {d}'s “{t}” may well suit you.",
    "{w} wrote “{t}”, and {d} brought it to the screen.",
    "Settle in for {g} and {h}, courtesy of {d}.",
    "It has the {s} of “{n}” and a mood of its own.",
    "Give “{t}” an evening: {g}, {h} and {a}.",
    "We picked “{t}” since you liked “{n}”.",
    "Another side of {g}, told by {d}.",
    "Pour a cup of tea and let {a} lead you through “{t}”.",
    "{g} and {h} meet in “{t}”.",
    "A film of the {c}s, “{t}” still feels close.",
    "Curious about {g}? Start with “{t}”.",
)
CHINESE = (
    "《{t}》是一部{y}年的{g}片。",
    "{d}执导的《{t}》，带来{g}与{h}。",
    "如果你喜欢《{n}》，不妨看看《{t}》。",
    "因为你看过《{n}》，为你推荐这部{g}片。",
    "由{a}主演，{g}味道十足。",
    "《{t}》把{g}和{h}融为一体。",
    "编剧{w}用{g}讲述人与人之间的故事。",
    "和《{n}》一样，《{t}》也属于{s}。",
    "安静的夜晚，适合看{d}的{g}片。",
    "想看{g}？从《{t}》开始吧。",
    "喜欢《{n}》的你，也会在《{t}》里找到{g}。",
)
# written later; the rules were changed once more after them
ENGLISH_LATER = (
    "Two worlds collide when {g} meets {h} in “{t}”.",
    "Those who admired “{n}” often warm to “{t}”.",
    "Crafted by {d} from a script by {w}, “{t}” is {g} at heart.",
    "{a} and {d} make a fine pair in this {y} {g}.",
    "Not in the mood for {g}? “{t}” might change that.",
    "Here, {g} and {h} share the stage.",
    "Since “{n}” is in your history, “{t}” seemed a fitting companion.",
    "Go back to {y} with “{t}”.",
    "Both “{n}” and “{t}” care about {s}.",
    "It is all about {g}, and about {a}.",
    "Why “{t}”? Because “{n}” suits you so well.",
    "Dim the lights: {g} from {d}.",
)
CHINESE_LATER = (
    "今晚就看《{t}》，感受{d}镜头下的{g}。",
    "{a}在《{t}》中演绎了一段{g}故事。",
    "既然《{n}》打动过你，《{t}》也值得一看。",
    "《{t}》与《{n}》气质相投，都带着{s}色彩。",
    "剧本出自{w}之手，{g}爱好者不容错过。",
    "泡一壶茶，静静欣赏{d}的《{t}》。",
)
# written after the rules were done, which were not changed for them
ENGLISH_UNSEEN = (
    "An evening of {g} awaits in “{t}”.",
    "{g}, {h} and good company: that is “{t}”.",
    "You might enjoy “{t}”, as it shares its {s} with “{n}”.",
    "Did “{n}” speak to you? Let “{t}” continue the conversation.",
    "On a rainy day, {a} makes good company in “{t}”.",
    "The pen of {w} gives “{t}” its voice.",
    "Made for those who return to “{n}” again and again.",
    "More {g}, more {h}, and a story that lingers.",
    "Where “{n}” ended, your evening with “{t}” may begin.",
    "Let the {g} of “{t}” surprise you.",
    "Some stories stay. “{t}” from {y} is such a story.",
    "“{n}” opened a door, and “{t}” leads further in.",
    "Have you met {a} in “{t}” yet?",
)
CHINESE_UNSEEN = (
    "夜深人静，《{t}》陪你走进{g}的世界。",
    "看完《{n}》意犹未尽？试试《{t}》。",
    "{y}年的《{t}》，至今仍打动人心。",
    "有{a}，有{g}，还有一个好故事。",
    "为喜欢《{n}》的你挑选：《{t}》。",
)
# they add a judgement, a plot or a mood to the facts, so no brief supports them
EMBELLISHED: Mapping[Language, Sequence[str]] = {
    "en": (
        "“{t}” pairs {g} with {h}, and {a} carries it with ease.",
        "{a} stars in “{t}”, a {g} film with a warm heart.",
        "Written by {w}, “{t}” keeps its {g} simple and honest.",
        "From director {d} comes “{t}”, {g} with a light touch.",
        "There is {g} in every scene of “{t}”.",
        "With {a} in a leading part, “{t}” turns {g} into something personal.",
        "“{t}” ({y}) follows its characters with patience.",
        "Much like “{n}” ({m}), “{t}” takes {g} seriously.",
        "Sharp, tender and full of {g}, “{t}” rewards a patient viewer.",
        "Tonight could be the night for “{t}”, {d}'s {g} about people who keep secrets.",
        "Nothing loud here, just {a} and a well-told {g} story.",
        "“{t}” was released in {y} and has lost none of its charm.",
        "What “{n}” did for {g}, “{t}” does in its own key.",
        "Think “{n}”, with a little more patience and plenty of {g}.",
        "Watch how {a} fills every scene of “{t}”.",
        "Quietly funny moments aside, “{t}” is {g}.",
        "Warm, wise and a little sad, “{t}” gives {a} room to breathe.",
        "With {d} behind the camera, “{t}” becomes {g} of a gentle kind.",
        "First shown in {y}, this {g} film keeps its secrets well.",
        "{d} tells a story of {g} without raising the voice.",
        "Serious about {g}, and light on its feet: “{t}”.",
        "This one has {a}, a fine script and lots of {g}.",
    ),
    "zh": (
        "《{t}》（{y}）节奏舒缓，{a}的表演令人难忘。",
        "《{t}》上映于{y}年，魅力依旧。",
        "{g}与{h}交织，余味悠长。",
        "{d}用细腻的镜头拍出了{g}。",
        "{g}里藏着{h}，《{t}》耐人寻味。",
    ),
}
GENRES_ZH = {
    "Action": "动作",
    "Adventure": "冒险",
    "Animation": "动画",
    "Children's": "儿童",
    "Comedy": "喜剧",
    "Crime": "犯罪",
    "Documentary": "纪录",
    "Drama": "剧情",
    "Fantasy": "奇幻",
    "Film-Noir": "黑色电影",
    "Horror": "恐怖",
    "Musical": "歌舞",
    "Mystery": "悬疑",
    "Romance": "爱情",
    "Sci-Fi": "科幻",
    "Thriller": "惊悚",
    "War": "战争",
    "Western": "西部",
}
_BRACKETS = re.compile(r"(?: \([^()]*\))+$")
# wordings that say what a person did; in others an actor may stand for a director
STATES_ROLE = re.compile(
    r"[Dd]irect|film by|told by|to the screen|leading part|stars|in the cast|ritten by|wrote"
    r"|执导|主演|编剧|表演"
)
_ARTICLE = re.compile(r"^(?P<rest>.+), (?P<article>The|A|An)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSentence:
    """A sentence: its wording, what its slots hold, and the language."""

    wording: str
    slots: Slots
    language: Language

    @property
    def text(self) -> str:
        """The sentence itself; it begins with a capital."""
        text = SLOT.sub(lambda found: self._word_of(found[1]), self.wording)
        return text[0].upper() + text[1:]

    def with_value(self, slot: str, value: str) -> FilmSentence:
        """Return the same with another value in a slot."""
        return replace(self, slots={**self.slots, slot: value})

    def _word_of(self, slot: str) -> str:
        value = self.slots[slot]
        if slot in "tn":
            return spoken_title(value)
        if slot in "ghs":
            return GENRES_ZH[value] if self.language == "zh" else value.lower()
        return value


def spoken_title(title: str) -> str:
    """Return a title as people say it: The Usual Suspects; without what is in brackets."""
    bare = _BRACKETS.sub("", title)
    found = _ARTICLE.match(bare)
    return bare if found is None else f"{found['article']} {found['rest']}"


def true_slots(film: FilmFacts, near: FilmFacts | None) -> Slots:
    """Return what is true of a film, by slot; a slot without a value is missing."""
    genres = [genre for genre in film.genres if genre in GENRES_ZH]
    of_both = [genre for genre in genres if near is not None and genre in near.genres]
    values = {
        "t": film.title,
        "n": near.title if near is not None else None,
        "m": str(near.year) if near is not None and near.year else None,
        "g": genres[0] if genres else None,
        "h": genres[1] if len(genres) > 1 else None,
        "s": next(iter(of_both), None),
        "y": str(film.year) if film.year else None,
        "c": f"{film.year // 10}0" if film.year else None,
        "d": next(iter(film.people.get("director", ())), None),
        "a": next(iter(film.people.get("actor", ())), None),
        "w": next(iter(film.people.get("writer", ())), None),
    }
    return {slot: value for slot, value in values.items() if value}


def true_texts(
    slots: Slots, draw: Random, language: Language, wordings: Sequence[str]
) -> list[FilmSentence]:
    """Return the texts of every wording whose slots are known, in random order."""
    wordings = draw.sample(wordings, len(wordings))
    found = []
    for wording in wordings:
        names = SLOT.findall(wording)
        if all(slot in slots for slot in names):
            used = {slot: slots[slot] for slot in names}
            found.append(FilmSentence(wording=wording, slots=used, language=language))
    return found


def is_true(sentence: FilmSentence, film: FilmFacts, near: FilmFacts | None) -> bool:
    """Return whether the data has every statement of a text."""
    near_title = near.title if near is not None else None
    near_year = str(near.year) if near is not None else None
    decade = f"{film.year // 10}0" if film.year else None
    known: Mapping[str, Sequence[str | None]] = {
        "t": (film.title,),
        "n": (near_title,),
        "m": (near_year,),
        "g": film.genres,
        "h": film.genres,
        "s": film.genres if near is None else tuple({*film.genres} & {*near.genres}),
        "y": (str(film.year),),
        "c": (decade,),
        "d": film.people.get("director", ()),
        "a": film.people.get("actor", ()),
        "w": film.people.get("writer", ()),
    }
    return all(value in known[slot] for slot, value in sentence.slots.items())
