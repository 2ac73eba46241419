"""What no text may contain, whatever its brief: instructions, unsafe words, markup.

A name that contains one of these is not quoted in a text, so a hidden instruction in the title of
an item goes nowhere.
"""

from __future__ import annotations

import re
import unicodedata

_INSTRUCTIONS = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override|bypass)\b .{0,40}
        \b(?:instructions?|prompts?|rules?|above|previous|prior|everything|guidelines)\b
  | \b(?:system|developer|hidden|initial) \s+ (?:prompt|message|instructions?)\b
  | \b(?:as|am) \s+ an? \s+ (?:ai|assistant|(?:large \s+)? language \s+ model)\b
  | \blanguage \s+ model\b | \bchat-?gpt\b | \bopenai\b | \bdeepseek\b | \bjailbreak\w*
  | \bi \s+ (?:cannot|can't|can’t|won't|am \s+ unable|apologi[sz]e)\b | \bi'?’?m \s+ sorry\b
  | \b(?:here \s+ (?:is|are)|here['’]s) \b .{0,40} \b(?:line|text|copy|version|blurb|sentence)\b
  | \b(?:here \s+ (?:is|are)|here['’]s) \s+ (?:your|the|my) \b .{0,30} \btitle\b
  | \b(?:here|there) \s+ (?:you|we|it|goes|they) \b [^:]{0,20} [:,!.]
  | ^\s*(?:yes|yeah|yep|no|thanks|thank \s you|understood|got \s it|absolutely|alright|right)
        \s*[,!:.–—-]
  | \b(?:as|like|what|whatever|everything) \s+ (?:you(?:['’]ve|\s+have)? \s+)?
        (?:requested|asked|instructed|told|ordered|specified|said)\b
  | \byou(?:['’]ve|\s+have)? \s+ (?:asked|requested|instructed|told|ordered|specified)\b
  | \byour \s+ (?:questions?|requests?|prompts?|messages?|orders?|facts|input)\b
  | \byou \s+ (?:should|must|need \s to|have \s to|ought \s to|will|can|may) \s+
        (?:tell|say|write|answer|mention|call|describe|use|add|make|keep|name|repeat)\b
  | ^\s*(?:sure|certainly|of \s+ course|okay|ok)\s*[,!:.]
  | \b(?:user|assistant|system|human|output|input|answer|response|instruction|prompt|task|brief|
        note|translation|reason_line|item_blurb|row_title|max_chars|tone|language|placement)\s*[:：=]
  | \b(?:write|say|print|output|repeat|respond|reply|answer|translate|pretend) \s+
        (?:the|this|that|it|only|exactly|as|word|following|instead)\b
  | \byou \s+ must \s+ (?:write|say|output|answer|respond|reply|ignore|not|only|always|never)\b
  | \byou \s+ are \s+ (?:now | an? \s+ (?:ai|assistant|helpful|copywriter|model))\b
  | \b(?:your \s+ (?:task|instructions?)|new \s+ instructions?)\b
  | \b(?:word|character|sentence)s? \s+ (?:limit|count|max)
  | <\|.*?\|> | \[/?(?:inst|sys)\] | </?s> | \#{2,} | ```
  | (?:忽略|无视|忘记|忘掉|不要理会) .{0,12} (?:指令|指示|提示|规则|上文|以上|之前)
  | 系统提示 | 提示词 | (?:作为|我是)(?:一个|一名)?(?:ai|人工智能|语言模型|助手)
  | 语言模型 | 人工智能助手 | ^(?:好的|当然|没问题)[，,。！!：:] | 以下是 | 下面是 | 很抱歉 | 对不起
  | (?:用户|助手|系统|输出|输入|回答|指令|任务|注意|翻译)\s*[:：] | 字数(?:限制|要求)
  | (?:请|必须)(?:输出|回答|回复|重复|写出|翻译|扮演)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_UNSAFE = re.compile(
    r"""
    \b(?:fuck\w* | shit\w* | cunt\w* | bitch\w* | bastards? | asshole\w* | dickheads? | whores? |
        sluts? | nigg\w+ | fag(?:got)?s? | retard\w* | kikes? | chinks? | trann(?:y|ies) |
        porn\w* | xxx | nudes? | rape[ds]? | raping | rapists? | incest\w* | pedo\w* | orgasm\w* |
        suicid\w* | kill \s+ (?:yourself|you) | die \s+ now | heil | nazis? | jihad\w* |
        terroris\w+ |
        cocaine | heroin | meth | will \s+ cure | guaranteed? | risk-free | miracle \s+ cure)\b
  | 操你 | 他妈 | 傻逼 | 妈的 | 婊子 | 贱人 | 色情 | 裸体 | 强奸 | 自杀 | 杀死
  | 毒品 | 恐怖分子 | 纳粹 | 包治 | 根治 | 保证有效 | 稳赚 | 赌博
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MARKUP = re.compile(
    r"https?:|www\.|\b[\w-]+\.(?:com|net|org|io|cn|ru|info|shop)\b|\S@\S|(?<!\w)@\w|[<>{}\[\]\\|`^]"
    r"|\*\*|__|~~|&\w+;",
    re.IGNORECASE,
)
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def instruction_in(text: str) -> str | None:
    """Return the first words that instruct a model, or that a model says of its task."""
    found = _INSTRUCTIONS.search(text)
    return None if found is None else found[0].strip()


def unsafe_part_of(text: str) -> str | None:
    """Return the first words, markup, address or invisible character that may not be shown."""
    found = _UNSAFE.search(text) or _MARKUP.search(text)
    if found is not None:
        return found[0]
    bad = [one for one in text if unicodedata.category(one) in _BAD_CATEGORIES]
    return f"U+{ord(bad[0]):04X}" if bad else None
