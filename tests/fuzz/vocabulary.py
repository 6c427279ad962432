"""Words that have broken parsers before, which the mutations put where a word stands."""

from __future__ import annotations

#: What stands where a number is expected.
NUMBERS = (
    *b"0 -0 -1 +1 01 1.0 1e3 1e400 -1e400 1e-400 1_000 0x10 0b1 1,5 1. .5 --1 NaN nan inf -inf".split(),
    *(
        str(number).encode()
        for number in (2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1)
    ),
    b"9" * 20,
    b"9" * 400,
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"0." + b"3" * 5000,
    b"1e" + b"9" * 30,
    b"1" + b"0" * 4300,
    "٣".encode(),  # a digit of another script
    "１２".encode(),  # full-width digits
    "²".encode(),
    "Ⅷ".encode(),
    b" 1",
    b"1 ",
    b"\t1",
    b"",
    b"true",
    b"null",
)

#: What stands where text is expected.
TEXTS = (
    b"\0",
    b"a\0b",
    b"\xff",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "\ufeff".encode(),
    "\u2028\u0085\u202e".encode(),
    "é".encode(),
    "e\u0301".encode(),
    "\U0001f469\u200d\U0001f680".encode(),
    "İıſßŉ".encode(),  # change their length with their case
    b"%00",
    b"%ff",
    b"%C3%A4",
    b"%ED%A0%80",
    b"%0d%0aX-Injected:%20yes",
    b"%2e%2e%2f",
    b"../../etc/passwd",
    b"%",
    b"%u0041",
    b"%zz",
    b"{{7*7}}${7*7}",
    b"<script>alert(1)</script>",
    b"'\";--",
    b"%s%n%d{}{0}",
    b"__class__",
    b"self",
    b"\x1b[31m",
    b"\x7f",
    b"a" * 300,
    b"\\",
    b"//",
    b";",
    b",",
    b"=",
    b"&",
    b"?",
    b"#",
    b"+",
    b" ",
)

#: Pieces of JSON.
JSON = (
    rb'"\ud83d"',
    rb'"\ud800\ud800"',
    rb'"\udc00\ud800"',
    rb'"\u0000"',
    rb'"\u003a"',
    rb'"\x41"',
    b'"\n"',
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"[" * 70,
    b"[" * 3000,
    b'{"a":' * 70,
    b"[{},{}]",
    b'{"":{"":{}}}',
    b'{"text":"a","text":"b"}',
    b'{"a":1,"\\u0061":2}',
    b"/**/",
    b"\xef\xbb\xbf",
    b"'a'",
    b'{"$ref":"#"}',
    b'"data:image/png;base64,"',
    b'"https://files.example/a.png"',
    b'"2026-01-31T12:00:00Z"',
    b'"0001-01-01T00:00:00+23:59"',
    b'"9999-12-31T23:59:60-23:59"',
    b'"2026-02-30"',
    b'"P999999999999D"',
    b'"-PT1e9S"',
    b'"24:00:00"',
    b'"1e999999999"',
    b'"sNaN"',
    b'[["a"]]',
    b'{"1":[],"01":{}}',
    b"\xff\xfe{\0}\0",
)

METHODS = (
    *b"GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT BREW PROPFIND PRI M-SEARCH QUERY A get".split(),
    b"X" * 200,
)

PATHS = (
    *(
        b"/ // /. /.. /./echo /../echo /echo/ /echo// //echo /echo;a=b /echo/%2e /ECHO /echo%00 /echo%2f * "
        b"/__ping /livez /readyz /__metrics /__runners /docs/ /__dashboard "
        b"/__dashboard/ /__dashboard/none /static/a /favicon.ico /robots.txt /jobs /status /status/none "
        b"/cancel/none /stream/none /mounted-wsgi /mounted-asgi /mounted-asgi/%ff /mounted-wsgi/../echo "
        b"http://127.0.0.1/echo http://other.example/echo https://127.0.0.1:99999/echo http:///echo "
        b"http://[::1/echo http://%00/ ://echo ftp://a/b http://a@b:c@d/echo?text=a".split()
    ),
    b"/" + b"a" * 5000,
    b"/" * 500,
    b"/%2f" * 100,
    b"/files/" + b"%c3%a4/" * 300,
)

#: Names of query parameters that some endpoint reads.
PARAMETERS = (
    *(
        b"text times q limit exact count before status route wait job_id name[] lang number polite image "
        b"value values kind title body file job_progress self __class__ accept callback".split()
    ),
    b"",
    b"%00",
    b"a[]",
)
