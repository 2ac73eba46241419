"""The English words in which a text may say what its brief has.

None of them says by itself what an item is, what happens in it, how good it is, or who thinks so:
no plot, no place, no character, no judgement but that an item is worth a try. A word too many lets
an unsupported statement pass, while a word that is missing rejects a text.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product

_FUNCTION = """
a an the this that these those it its it's itself they them their theirs he his him himself she her
hers we us our ours we're we've we'd we'll you your yours yourself you're you've you'd you'll i me
my i'm i've one ones who whom whose which what when where why how there there's here here's and or
but so yet if unless because since as while whereas though although of in on at by for from with
without within into onto to up out under after before between among around along through throughout
during until till toward towards upon via like unlike alongside besides beside plus is are was were
be been being am do does did done doing have has had having can could may might must should will
would let let's too also again more very quite rather really just simply only even still already
always often sometimes perhaps maybe possibly probably well truly surely definitely indeed together
alone instead next then later right away back off down almost nearly enough both either each every
all any some many much several few lot lots plenty bit little other others another same such own
whole further however otherwise therefore thus hence whenever wherever whatever whichever once now
soon anyone someone something anything everything everywhere anywhere somewhere nowhere somehow oh
ah hey hello hi yes everyone everybody ok okay thanks thank two three four five six seven eight
nine ten over across inside ahead aside amid past whether namely especially particularly naturally
hopefully straight directly meanwhile accordingly afterwards somewhat slightly firmly including
"""
_VERBS = """
admire admires admired care cares change changes collide collides get gets getting got go goes
going gone went come comes coming came try tries trying tried watch watches watching watched see
sees seeing seen saw look looks looking looked take takes taking took taken give gives giving gave
given find finds finding found discover discovers discovering discovered explore explores exploring
enjoy enjoys enjoying enjoyed follow follows following followed join joins joining joined step
steps stepping dive dives diving settle settles settling sit sits sitting lean leans leaning bring
brings bringing brought turn turns turning turned pick picks picking picked choose chooses choosing
chose chosen start starts starting started begin begins beginning began return returns returning
revisit revisiting share shares sharing shared add adds adding added grab grabs catch catches
catching caught expect expects expecting think thinks thinking thought consider considers
considering remember remembers know knows knowing known love loves loving loved likes liking liked
want wants wanting wanted need needs needing needed feel feels feeling felt seem seems seemed make
makes making made keep keeps keeping kept put puts putting show shows showing shown meet meets
meeting met mix mixes mixing mixed blend blends blending blended combine combines combining
combined pair pairs pairing paired offer offers offering offered stay stays staying stayed continue
continues continuing move moves moving lead leads leading led belong belongs belonging match
matches matching matched fit fits fitting suit suits suiting suited wait waits waiting await awaits
awaiting welcome welcomes recommend recommends recommending recommended suggest suggests suggesting
suggested select selects selecting selected relate relates related connect connects connecting
connected link links linked mean means calls calling call called carry carries hold holds holding
open opens opening opened end ends ended ending visit visits invite invites inviting remind reminds
deserve deserves promise promises deliver delivers handle handles stretch stretches spend spends
spending relax unwind curl pour dim say says said speak speaks talk talks ask asks asking answer
answers appear appears appearing act acts acting play plays playing played star stars starring
starred feature features featuring featured direct directs directing directed write writes writing
wrote written tell tells telling told create creates creating created craft crafts crafted sign
signed produce produces producing produced compose composes composed score scored perform performs
performed present presents presented release releases released arrive arrives arriving arrived
reach reaches reached appeal appeals appealing satisfy satisfies surprise surprises please pleases
pleased interest interests interested hook travel travels walk walks wander wanders linger lingers
rest rests round rounds fill fills filled use uses using used work works working worked fall falls
draw draws drawn help helps wish wishes hope hopes crave craves craving head heads heading hop jump
jumps rely serve serves switch switches check checks checking save saves loop pull pulls push lands
landed queue queued date dates dated hail hails echo echoes resemble resembles overlap overlaps fuse
fuses fused merge merges merged weave weaves join lend lends include includes
included contain contains fancy fancies adore adores adored appreciate appreciates browse scroll
press tune stream view views viewing viewed tempt tempts delight delights pause hear hears heard
shift shifts form forms base based
"""
_NOUNS = """
subject subjects stage voice courtesy film films movie movies picture pictures story stories tale
tales title titles book books novel novels album albums song songs track tracks music item items
product products piece pieces series game games choice choices option options selection selections
recommendation recommendations suggestion suggestions list lists watchlist collection shelf row
catalogue catalog shop store page newsletter edition reader readers viewer viewers visitor visitors
listener listeners fan fans lover lovers admirer admirers follower followers buff buffs enthusiast
enthusiasts aficionado aficionados audience evening evenings night nights tonight weekend weekends
day days time times moment moments hour hours mood moods afternoon afternoons morning sofa couch
cup tea popcorn home screen screens taste tastes way ways reason reasons style styles spirit vein
mixture combination genre genres kind kinds type types sort sorts category side sides part parts
role roles half camera lens script screenplay pen hand hands helm credits credit cast name names
director directors writer writers actor actors actress actresses artist artists author authors band
brand maker makers singer composer producer year years decade era companion company conversation
door world worlds journey trip ride route path treat dose helping slice touch dash hint flavour
flavor element elements ingredient ingredients passion appetite curiosity heart place attention eye
thing things favour favor case cue invitation word words bonus encore direction territory ground
theme themes trait traits thread threads streak crossover hybrid marathon session queue library
lineup line-up duo pairing filmmaker filmmakers performer performers screenwriter screenwriters
production productions flick flicks movie-goer cinema weeknight sitting bedtime holiday
blanket armchair snack snacks
"""
_ADJECTIVES = """
easy suitable ready curious hungry eager keen happy glad worth worthwhile worthy close near nearby
similar familiar alike common different fond big small full available sure certain possible sound
firm handy
"""
# of an item as a choice, not of what it is
_GOOD = ("good", "great", "fine", "nice", "perfect", "ideal", "natural", "solid", "fitting")
_CHOICES = ("choice", "pick", "match", "fit", "companion", "company", "pair", "next step", "way")
# whole phrases, whose words say more elsewhere
_PHRASES = (
    r"(?:quiet|slow|rainy|cos[yi]|cozy|lazy|long|calm|free|dark|cold|warm|late|idle|relaxed|relaxing"
    r"|peaceful|snowy|stormy|perfect)(?: and \w+)? (?:evening|night|day|afternoon|weekend|morning"
    r"|sunday|hour|moment|home)s?",
    r"(?:night|evening)s? in",
    r"soft spots?|warm(?:s|ed)? to",
    r"why not|not only|not in the mood|no surprise",  # other denials would be facts
    r"(?:curious|all|cares?|thinks?|thinking|excited|happy|how|what) about",  # not a plot
    r"(?:in|to|reached) (?:the )?(?:cinema|theat(?:er|re))s?",
    r"through and through",
    r"dim the lights",
    r"behind the camera",
    r"brought it to the screen",
    r"caught your eye",
    r"your (?:history|cup of tea|alley)",
    r"went down well",
    r"(?:first|originally) (?:shown|seen|released|published)",
    r"as well|as well as|such as|as if",
    r"more of the same",
    r"fans? (?:everywhere|of all ages)",
    r"set for",
    r"all set",
    r"quiet place",
    r"popular\w*|new|newly|brand-new|newcomers?|just (?:in|arrived|added)",  # the rule on claims
    r"waiting to be (?:discovered|seen|watched)",
    r"(?:be|stay|get|feel) curious",
    r"easy to (?:see|recommend|like|love)(?: why)?",
    r"visitors? of this shop",
    r"caught",
    r"based on",  # the rule on claims
    r"half",  # the rule on numbers
    r"night owls?",
)


@cache
def phrasing_words() -> frozenset[str]:
    """Return the words in lower case, with straight apostrophes."""
    return frozenset(f"{_FUNCTION} {_VERBS} {_NOUNS} {_ADJECTIVES}".split())


@cache
def verbs() -> frozenset[str]:
    """Return those of the words that are verbs, in all their forms."""
    return frozenset(_VERBS.split())


@cache
def other_words() -> frozenset[str]:
    """Return the words that are nouns, adjectives or function words, and some of them verbs too."""
    return frozenset(f"{_FUNCTION} {_NOUNS} {_ADJECTIVES}".split())


@cache
def base_verbs() -> frozenset[str]:
    """Return the forms that an imperative has: "keep" but not "keeps" or "kept"."""
    return frozenset(one for one in verbs() if {f"{one}s", f"{one}es"} & verbs())


@cache
def phrasing_phrases() -> re.Pattern[str]:
    """Return a pattern of the whole phrases."""
    every = "|".join((*_PHRASES, *literal_phrases()))
    return re.compile(rf"(?<![\w-])(?:{every})(?![\w-])", re.IGNORECASE)


@cache
def literal_phrases() -> frozenset[str]:
    """Return those phrases that are no patterns, in lower case."""
    choices = {f"{good} {choice}" for good, choice in product(_GOOD, _CHOICES)}
    return frozenset(choices | {"quiet evening", "quiet night", "rainy day", "popular", "new"})
