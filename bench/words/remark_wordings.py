"""Remarks in words that only phrase: what an item is known for, does to people, stands for.

A small language model that may use only the allowed words makes them up. They were written and
committed before any rule was changed for them. Slots are those of `film_sentences`, and `{text}` is
a true sentence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRUE: Mapping[str, Sequence[str]] = {
    "en": (
        "If “{n}” is your kind of film, give “{t}” a try.",
        "“{t}” may be just the {g} film you are looking for.",
        "Ready for more {g} after “{n}”? Here is “{t}”.",
        "A {g} film with {a} and direction by {d}.",
        "{d} is the director of this {g} film, “{t}”.",
        "In “{t}” you will see {a}.",
        "From the {c}s comes “{t}”, full of {g}.",
        "Part {g}, part {h}: “{t}”.",
        "Take another step into {g} with “{t}”.",
        "“{t}” is the name, {g} is the game.",
        "You might want to follow “{n}” with this {g} film.",
        "For those who like {g}: “{t}” from {y}.",
        "{w} wrote the screenplay for “{t}”.",
        "What “{n}” and “{t}” have in common is {s}.",
        "Both “{n}” and this film belong to {s}.",
        "Another film with {s} in it, like “{n}”.",
        "Give yourself an evening with “{t}” and {a}.",
        "See {a} in a {g} film from {y}.",
        "Bring {g} to the big screen at home with “{t}”.",
        "Put “{t}” on your list if {g} is your thing.",
        "Since “{n}” worked for you, “{t}” might too.",
        "Make {g} part of your evening with “{t}”.",
        "Known names here: {d} directs and {a} plays.",
        "Treat yourself to {g}: “{t}”.",
        "“{t}” was made in {y} and is a {g} film.",
        "Looking for something by {d}? Try “{t}”.",
        "It is a small step from “{n}” to “{t}”.",
        "{g} and {h} share the screen in “{t}”.",
        "Here is one with {a}: “{t}”, from {y}.",
        "Let “{t}” be your next {g} film.",
    ),
}
LIES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "a remark on its standing": {
        "en": (
            "“{t}” is making a name for itself in {g}.",
            "“{t}” is a big part of the {g} genre.",
            "“{t}” has found its place among {g} films.",
            "“{t}” speaks for itself as a {g} film.",
            "“{t}” is known for its {g}.",
            "A {g} film that has made its way around the world, “{t}”.",
            "“{t}” is a name to remember in {g}.",
            "“{t}” is what {g} is all about.",
            "“{t}” put {g} on the screen like no other film.",
            "{d} is a big name in {g}.",
            "“{t}” is at the heart of the {g} genre.",
            "{g} would not be the same without “{t}”.",
            "“{t}” has a place in the hearts of {g} fans.",
            "“{t}” is a {g} film in a category of its own.",
            "“{t}” gave {g} a new direction.",
            "Few {g} films come close to “{t}”.",
        )
    },
    "a remark on how people take it": {
        "en": (
            "“{t}” is a {g} film that stays with people.",
            "“{t}” is loved by many {g} fans.",
            "Many {g} fans still talk about “{t}”.",
            "“{t}” is seen as a {g} film for the ages.",
            "Fans of {g} keep coming back to “{t}”.",
            "“{t}” never fails to delight {g} fans.",
            "{g} fans everywhere adore “{t}”.",
            "“{t}” is remembered as a {g} film.",
            "“{t}” gets people talking about {g}.",
            "“{t}” has been admired by {g} viewers for many years.",
            "“{t}” keeps {g} viewers on the edge.",
            "Most {g} lovers have seen “{t}” more than once.",
            "“{t}” delivers what {g} fans want.",
            "“{t}” holds your attention as a {g} film.",
            "“{t}” will change how you see {g}.",
            "“{t}” will surprise you with its {g}.",
        )
    },
    "a remark on how it is made": {
        "en": (
            "“{t}” handles {g} with a firm hand.",
            "“{t}” takes its time with {g}.",
            "“{t}” works so well as a {g} film.",
            "“{t}” has {g} written all over it, with full heart.",
            "{a} carries “{t}” from start to end.",
            "{d} put a lot of heart into “{t}”.",
            "The cast of “{t}” works well together with {a}.",
            "“{t}” moves {g} along at its own speed.",
            "“{t}” opens with {g} and ends with surprises.",
            "{d} made “{t}” with love.",
            "“{t}” is small in scale but big in {g}.",
            "{a} gives everything in “{t}”.",
        )
    },
}
# written after the rule; measured, and looked at later
LATER: Mapping[str, Mapping[str, Sequence[str]]] = {
    "a remark on its standing": {
        "en": (
            "“{t}” holds a place of its own in {g}.",
            "“{t}” made {g} what it is.",
            "When people say {g}, they mean “{t}”.",
            "“{t}” started it all for {g}.",
            "Without “{t}” there would be no {g}.",
            "{d} is one of the names behind {g}.",
            "“{t}” is {g} at its full.",
            "“{t}” turned {g} around.",
        )
    },
    "a remark on how people take it": {
        "en": (
            "“{t}” still finds {g} fans today, again and again.",
            "“{t}” is the one {g} fans ask for.",
            "“{t}” will stay with you, a {g} film to remember.",
            "{g} viewers cannot get enough of “{t}”.",
            "“{t}” works for everyone who likes {g}.",
            "“{t}” makes you think about {g}.",
            "You will not look away from “{t}”, a {g} film.",
            "“{t}” reaches the heart with {g}.",
        )
    },
    "a remark on how it is made": {
        "en": (
            "“{t}” spends its time well on {g}.",
            "{d} knows how to do {g} in “{t}”.",
            "{a} is at home in “{t}”, a {g} film.",
            "“{t}” stretches {g} in every direction.",
            "“{t}” pulls {g} off.",
            "The screenplay of “{t}” draws on {g} with ease.",
        )
    },
}
# written before the rule knew whose verb a verb is
LAST: Mapping[str, Mapping[str, Sequence[str]]] = {
    "a remark on its standing": {
        "en": (
            "“{t}” is where {g} begins.",
            "Other {g} films follow “{t}”.",
            "“{t}” leads the way in {g}.",
            "“{t}” is {g} in its own right.",
            "There is no other film like “{t}” in {g}.",
            "“{t}” has the last word on {g}.",
        )
    },
    "a remark on how people take it": {
        "en": (
            "“{t}” is the film that {g} fans choose first.",
            "{g} fans turn to “{t}” again and again.",
            "“{t}” keeps you thinking about {g} for days.",
            "“{t}” leaves you with a taste for {g}.",
            "You will want to see “{t}” more than once.",
            "Ask any {g} fan, and they will say “{t}”.",
        )
    },
    "a remark on how it is made": {
        "en": (
            "“{t}” puts {g} in good hands.",
            "{d} has a hand for {g}.",
            "“{t}” finds the heart of {g}.",
            "{a} holds “{t}” together.",
            "“{t}” gives {g} room and time.",
            "{d} and {a} work well together in “{t}”.",
        )
    },
    "a remark on the reader": {
        "en": (
            "You always come back to {g}, so try “{t}”.",
            "You have seen every {g} film but “{t}”.",
            "You know {g} better than anyone: “{t}”.",
            "Nobody watches as much {g} as you do: “{t}”.",
            "You asked for {g}, and here is “{t}”.",
            "Your friends like {g}, so here is “{t}”.",
        )
    },
}
