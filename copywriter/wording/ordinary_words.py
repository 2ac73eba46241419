"""English words that may begin a sentence, and so have a capital without being a name.

The list is short on purpose: a word that is missing rejects a text, while a word too many lets the
title of another item pass as the beginning of a sentence.
"""

from __future__ import annotations

from functools import cache

_WORDS = """
a an the this that these those it its it's here there and but or so if when while where whether
because since as for from with without within of on in into at by to up out over under after
before between among across around against along about like unlike than then yet also again both
either neither each every all any some many much few several most more less other others another
such same one two three four five six you your you'll you're you've we we've our us they their
he she his her him i'm my what which who whose how why not no nor never always often sometimes
perhaps maybe just only even still too very quite rather simply is are was were be been being do
does did don't have has had can could should would might must let let's go get give take make
made makes keep put set see look watch read hear listen meet try find discover explore enjoy
follow join step dive settle sit lean come bring turn pick picked choose chosen start begin
return revisit rediscover spend share add grab catch head expect imagine think consider remember
know love loved liked likes want need feel seems directed starring written produced composed
created featuring based drawn told shot released related connected close closer near similar
familiar different further great good nice fine solid strong gentle warm quiet calm bold dark
light bright sharp smart clever lively playful tender tense gripping moving stirring thoughtful
slow fast quick rich deep easy hard long short big small little old young classic timeless
perfect lovely charming fun full true worth well suited fit ideal welcome recommended selected
matched film films movie movies book books album albums song songs title titles story stories
tale tales picture item items product products work works picks choice choices watchlist evening
night weekend tonight time moment mood way reason reasons something anything someone anyone
nothing everything people readers viewers visitors fans lovers admirers followers friends
shoppers customers popular new action adventure animation animated children's comedy crime
documentary drama family fantasy noir historical history horror musical mystery romance romantic
sci-fi sci fi science fiction thriller war western biography genre genres director directors
actor actors cast writer writers music score style spirit vein mix blend combination shared
common another's looking ready hungry curious interested thanks given whatever wherever whenever
however though although instead besides plus once first next last later behind beyond below
above off down back away together alone apart alongside part half fresh your's ahead side shares
blends mixes combines brings pairs offers sport spy superhero jazz hip hop opera tells follows
stays keeps leads takes belongs matches fits suits goes comes
enjoyed pour treat laugh cry dream relive dig brace prepare curl wander delight savour savor unwind
relax celebrate continue stay fall hold trust reach raise tell show shown write wrote speak sing
dance walk follows following discovering exploring finding seeking craving missing
crafted quietly dim softly slowly gently truly surely filled packed wrapped rooted steeped inspired
anchored carried driven shaped framed woven told plenty beneath inside outside toward towards
wise sad honest patient playful intimate wry subtle vivid lush spare brisk sweeping absorbing
captivating engaging entertaining thrilling charming haunting moving delightful memorable
imaginative inventive stylish elegant atmospheric leisurely heartfelt bittersweet offbeat dry
serious funny strange beautiful simple open free close common rough grand proud loud silent slow
wild cold cool hot dry wet heavy empty busy brave loyal eager careful lucky
somehow elsewhere nearby hidden carefully wonderfully rarely seldom lose turns finds takes gives
"""


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words in lower case, with straight apostrophes."""
    return frozenset(_WORDS.split())
