"""Two hundred names that a file may have on Linux, and that something somewhere trips over."""

# ruff: noqa: RUF001 - characters that look like others are the point

import unicodedata

_CONTROL = [f"c{chr(code)}c" for code in (*range(1, 32), 0x7F)]

_SHELL = [*"!#$&*?;:<>=@^`|~'\"", "-", "--", "-rf", "(a)", "[a]", "{a,b}", "a b", "$(x)"]

_PATTERNS = [
    "*",
    "**",
    "*.txt",
    "[!a]",
    "{1..3}",
    "a?b",
    "\\*",
    "a\\b",
    "\\",
    "\\\\host\\share",
]

_PERCENT = [
    "%",
    "%%",
    "%41",
    "A",
    "%2F",
    "%2f",
    "%25",
    "a%",
    "%a",
    "50%",
    "%\n",
    "%E9",
    "%C3%A9",
]

_DOTS = ["...", "....", ".a", ".hidden", "a.", "a..", "..a", ". .", ".. ", " .", "a. ", "a ."]

_BLANKS = [
    " ",
    "  ",
    " a",
    "a ",
    "\u00a0",
    "\u2028",
    "\u2029",
    "\u3000",
    "\u200b",
    "\ufeff",
    "\t",
]

_WINDOWS = ["CON", "con", "nul.txt", "COM1", "LPT¹", "C:", "C:x", "a:b", "aux.h", "x" * 255]

_URLS = [
    "s3:",
    "a#b",
    "?versionId=1",
    "?",
    "#",
    "a=1",
    "part=1",
    "a&b",
    "a+b",
    "file:",
    "x@y",
    "::",
]

_UNICODE = [
    *(unicodedata.normalize(form, "é") for form in ("NFC", "NFD")),
    *(
        "ﬁ",
        "fi",
        "ß",
        "ẞ",
        "SS",
        "ss",
        "ı",
        "İ",
        "I",
        "i",
        "K",
        "K",
        "Å",
        "Å",
        "日本語",
        "ü" * 127,
    ),
    *(
        "\u202etxt.exe",
        "a\u0300",
        "🙂",
        "👩‍👩‍👧",
        "\U0010ffff",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "￿",
    ),
]

_OURS = [
    *("_manifest.jsonl", "%_manifest.jsonl", "_MANIFEST.JSONL", ".blobfs", "LocalUpload"),
    *("asset.json", "format.json", ".amlignore.bak", ".gitattributes", "blobfs:", "sha256:0"),
    *(
        ".blobfs-x",
        "-broken",
        ".out.blobfs-0",
        "latest",
        "@latest",
        "{}",
        "null",
        "0",
        "00",
        "1e3",
    ),
]

_CASE = ["readme", "README", "Readme", "straße", "STRASSE", "ǅ", "ǆ", "Ǆ", "σ", "ς", "Σ"]

_CODE = [
    "a'b",
    'a"b',
    '","in":"',
    "\x1b[31m",
    "a\r\nb",
    "<script>",
    "%s",
    "{0}",
    "%(x)s",
    "a,b",
]

_ENDS = [
    f"end{tail}" for tail in ("~", ".bak", ".tmp", ".part", ".lock", "-gone", "\\", "%", "$")
]

_LONG = ["long" * 63, "\U0001f642" * 63, ".a" * 127, "." + "h" * 254]

NASTY: list[str] = list(
    dict.fromkeys(
        [
            *(*_CONTROL, *_SHELL, *_PATTERNS, *_PERCENT, *_DOTS, *_BLANKS, *_WINDOWS),
            *(*_URLS, *_UNICODE, *_OURS, *_CASE, *_CODE, *_ENDS, *_LONG),
        ]
    )
)
"""Each once; where case is folded or Unicode normalised, some of them are one."""
