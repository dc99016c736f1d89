/**
 * Texts to read twice, once with Go and once with ours: hand-written ones, each about something that readers of YAML
 * disagree on, and random ones made of the same parts. In the lists below a line is a text, ↵ a line break, → a tab, and
 * other characters that cannot be seen are written ⟨hex⟩.
 */

/** One text and the name it is reported under. */
export interface Sample {
  readonly id: string
  readonly text: string
}

function spelled(list: string): readonly string[] {
  return list
    .split('\n')
    .filter(line => line !== '')
    .map(line =>
      line
        .replaceAll('↵', '\n')
        .replaceAll('→', '\t')
        .replace(/⟨([0-9a-f]+)⟩/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16))),
    )
}

// Scalars without a space, to be put wherever a scalar may stand.
const words = String.raw`
y Y yes Yes YES yEs n N no No NO nO true True TRUE tRUE false False FALSE on On ON off Off OFF oFF t f
~ null Null NULL nULL nil None undefined 0 -0 +0 00 007 08 -08 09.5 014 -012 +012 0o14 -0o14 0O17 0o8 0o
0x 0x1F 0X1f -0x1F +0x1f 0xg 0x1.8p1 0b11 0B11 -0b11 +0b11 0b 0b2 0b-1 0b+1 -0b-1 -0b+1 0b1_1 0b1_-1 0b-9 0_0
1_000 1__0 _1 1_ 0x_1 -_1 +_1_ 1_e3 12_3.4_5 0.1_5 .1_5 ._5 .5_ .5__5 .5e1_0 .5e_1 -.1_5 .5p1 ._
1 -1 +1 --1 ++1 +-1 - + . .. ... -. +. 1. -1. 1.5 .5 -.5 +.5 1.e3 1e3 1E3 1e+3 1e-3 1e 1e+ .e3 .5e3 1.5e300
1e308 1e309 1e400 -1e400 1e-400 .5e999 .1e-999 0e0 -0.0 0.0 1e21 1e22 123456789012345678901234567890 0.1 1.10 1.20
3.14159 1000000.5 1e6 1234567 123456.7 0.0001 0.00001 1e-5 2.50 16777217.0 33554433.5 0.30000001 4e38 1.0 100000.0
1000000.0 999999.0 0.000123 0.00012345 21474836.5 9007199254740991 9007199254740992 9007199254740993 -9007199254740993
9007199254740994 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809
18446744073709551615 18446744073709551616 +18446744073709551615 0x7fffffffffffffff 0xffffffffffffffff
0x10000000000000000 01777777777777777777777 02000000000000000000000 0777777777777777777777 9223372036854775809.0
.inf .Inf .INF .iNF +.inf -.inf -.Inf .nan .NaN .NAN .Nan inf -inf nan Infinity NaN +.nan
2024-01-01 2024-1-1 2001-12-14t21:59:43.10-05:00 2001-12-14T21:59:43Z 2024-01-01Z 2024-13-45
12:30 1:30:00 12:30.5 190:20:30.15 -1:30 0:0 1:2 a:b :a a: :: << = ! & * ? | > @ @a % %a a%b ${'`'}a ' " # #a a#b
a,b a]b a}b [ ] { } , [] {} [a] {a} {a:1} {a,b} [a,] [,] {,} ["a"] {"a":1} {'a':b} ["a":1] [a:b] {a:} {:a} [?a] {?a}
[[]] [[a],[b]] -a -- --- ---a -? ?a :b a:b:c http://example.com:80/x?y=z&a=b#c *.example.com *a *a: &a &a&b &a:b
!a !!str !!int !<x> 1.2.3 1.2.3.4 10.0.0.0/8 ::1 fe80::1%eth0 1k 100m 0.5Gi 5s 1h30m é 日本 😀 \n a\nb "a\nb"
'it''s' "a\"b" "" '' "y" 'no' "014" "~" "null" "\x41" "\u00e9" "\U0001F600" "\ud83d\ude00" "\ud800" "\\ud800"
"\U00110000" "\U0000D800" "\/" "\'" "\q" "\0" "\a\b\e\f\v\N\_\L\P\r\n" "\t" "\→" "\ " "\x4" "\u12" "\u+123" "\x 1" "a"b 'a'b
"a 'a a" a' <a a>b a|b a@b a!b a&b a*b a?b "" "__proto__" __proto__ constructor a-b a_b a/b a.b (a) a=b a;b
⟨a0⟩ a⟨a0⟩b a⟨85⟩b a⟨2028⟩b a⟨2029⟩b "a⟨85⟩b" "a⟨2028⟩b" a⟨feff⟩b ⟨feff⟩a "⟨feff⟩" a⟨200b⟩b a⟨7f⟩b a⟨80⟩b a⟨fffe⟩b a⟨ffff⟩b
a⟨0⟩b "a⟨0⟩b" a⟨1b⟩b a⟨8⟩b a⟨c⟩b a⟨b⟩b a⟨d⟩b "a⟨d⟩b" a⟨e000⟩b a⟨10ffff⟩b a⟨1fffe⟩b a⟨ad⟩b a⟨9f⟩b #⟨2028⟩ #⟨85⟩a
`
  .split(/\s+/)
  .flatMap(spelled)

// Values with spaces or line breaks in them; a continuation is indented by two.
const values = spelled(String.raw`
a b
a  b
a # b
a #
"a" #b
"a"#b
"a: b"
a: b
a :b
a : b
- a
? a
[a, b]
{a: b, c: d}
{a: b, a: c}
[ ]
{ }
[ a , b ]
! a
! 12
! "12"
! [a]
!!str 12
!!str
!!str y
!!str ~
!!str <<
!!int 5
!!int "5"
!!int 5.5
!!int x
!!int 014
!!int 18446744073709551615
!!float 5
!!float 5.5
!!float "1"
!!float 18446744073709551615
!!float .inf
!!float 1e400
!!float 9007199254740993
!!bool y
!!bool "yes"
!!bool 1
!!null ~
!!null ""
!!null x
!!null
!!binary aGVsbG8=
!!binary "aGVsbG8="
!!binary aGVsbG8
!!binary ////
!!binary "77u/"
!!binary ""
!!binary "a==="
!!binary aGV=
!!binary "aGVs bG8="
!!binary |↵  aGVs↵  bG8=
!!timestamp 2024-01-01
!!timestamp x
!!map {a: b}
!!seq [a]
!!map [a]
!!seq {a: b}
!!str [a]
!!str {a: b}
!!map x
!!seq x
!!set {a}
!!omap [a: b]
!!merge <<
!custom x
!custom 12
!custom {a: b}
!<tag:yaml.org,2002:str> 12
!<tag:yaml.org,2002:int> "12"
!<!x> 1
!e!x 1
!!str,x
!!str &a 1
&a !!str 1
&a 1
&a
&a-b_1 x
&a.b x
&é x
&a{ x
&a &b x
!!str !!int 1
*a
*a b
*a #b
!!str *a
&b *a
'a↵  b'
"a↵  b"
"a↵b"
'a↵b'
"a↵↵  b"
"a \↵  b"
"a\↵  \ b"
"a  ↵  b"
"a \ ↵  b"
"a↵ → b"
"a↵→b"
"↵  a↵  "
' a '
'↵'
'a↵↵↵  b'
a↵  b
a↵↵  b
a↵  # c↵  b
a↵  - b
a↵  b: c
a↵  ? b
a #c↵  b
"a↵ # b"
"a→↵→b"
a→b
a→
→a
→"a"
a →# b
a→# b
→
→# c
"a"→
"a"→#b
[a,→b]
[→a]
{a:→b}
{→a: b}
[a→]
{a→: b}
{a :→b}
[↵  a,↵  b↵]
[↵a↵]
[↵  a↵  ]
{↵  a: b,↵  c↵}
{↵  a: b,↵  c↵  }
{a↵  : b}
{a↵  b: c}
{"a"↵  : b}
["a"↵  : b]
["a":↵  b]
[a↵  : b]
[↵  →a↵  ]
[↵→a↵  ]
{a: b↵  }
{a:↵  b}
{a:↵  b↵  c}
[a #b↵  ,c]
[a, #b↵  c]
[a↵  #b↵  ]
{a: b #c↵  }
{a: b#c}
[#a↵  ]
[ #a↵  ]
[a,#b↵  ]
[a↵  b]
[-a]
[- a]
[-]
[?]
[:]
[a:]
[:a]
[::]
[a:b]
[:]
[ : ]
[ : a]
[ a : ]
[a, : b]
[a: ]
{a: -}
{-: a}
{a: ?}
{?: a}
{a: :}
{a: :b}
{a: b: c}
[a: b: c]
[a: b, c]
[a: {b: c}]
{[a]: b}
[[a]: b]
[{a: b}: c]
{{a: b}: c}
{a: [}
[a}
[a
{a
{a: b
[a]]
{a}}
[a] b
{a: b} c
[a]:
[a]: b
[a]#b
[a] #b
[a]→#b
{a: |↵  b↵  }
[a, - b]
[a, -b]
[a, ? b : c]
[? a↵  : b]
[? a : b, c]
[? a]
[? a:b]
{? a}
{? }
{?}
{? a, b}
{? a : b}
{? a: b}
{? a : }
{? : a}
{ : a}
{ : }
{a : }
[? ]
{a, b: c, d}
{a: b, c}
{"a":"b","c":[1,2,{"d":null}]}
{"a":b}
{"a":b,'c':d}
{"a":[b]}
{"a":{b}}
{"a":-1}
{a:"b"}
{a:[b]}
{a:{b: c}}
{a:-1}
[a:"b"]
{"a" : 1}
{"a"  :1}
{"a" :b}
{a :1}
{a :b}
{'a' :1}
{[a]:b}
{[a] :b}
[a,,b]
[a, ,b]
{a,,b}
{"a","b"}
{"a"}
{"a":}
{"a":,}
{"a":,b}
{a:,b}
{a:,b: c}
[a:,b]
{a: ,b}
{a: b,, }
{a: b, }
{, a: b}
[, a]
{a: *b}
{*a : b}
{*a: b}
{&a b: c}
{&a : c}
{a: &b c, d: *b}
{a: &b c, d: *b, e: *b }
[&a b, *a]
[&a b,*a]
[&a [b, *a]]
[&a {b: *a}]
[*a]
[&a,b]
[&a ]
[&a , b]
{a: !!str}
{a: !!str, b: c}
{a: !!str , b: c}
{!!str a: b}
{!!str : b}
[!!str]
[!!str , a]
[!!str, a]
[!!str a]
[!!int "1"]
[!a]
[! a]
[a,b]
[a ,b]
[a , b ]
{a: "b"c}
{a: "b" c}
['a''b']
['a' 'b']
["a" b]
[a"b"]
[a'b']
[a "b"]
{a: b}: c
[]: c
{}: c
"a" : b
"a":b
a: "b": c
a: [b]: c
a: - b
a: ? b
a: |↵  b
- - a
- - - a
- a: b
- a: b↵    c: d
- a: b↵   c: d
-→a
- →a
-→- a
- →- a
?→a
? →a
? a↵  : b
? a↵  ? b
? a↵  :→b
? - a↵  : - b
? [a]↵  : b
? |↵    a↵  : b
? a b↵    c↵  : d
? a: b↵  : c
: a
:→a
? 
?
:
-
- 
-↵  - b
- ↵    a
- #a↵    b
-↵    a
|↵  a
|↵    a
|↵  a↵    b
|↵  a↵↵  b
|↵    a↵  b
|-↵  a
|-↵  a↵↵
|+↵  a
|+↵  a↵↵
|+↵
|↵
|-↵
|
|+
>↵  a↵  b
>↵  a↵↵  b
>↵  a↵    b↵  c
>↵  a↵    b↵↵  c
>↵↵  a↵  b
>-↵  a↵  b
>+↵  a↵  b↵↵
>↵   a↵  b
>↵  a↵  →b↵  c
>↵  a↵    ↵  b
>1↵  a↵  ↵
|1↵  a↵  ↵
|2↵   ↵  a
"\→"
"a\→b"
|1↵  a
|2↵  a
|2↵   a
|1-↵  a
|-1↵  a
|+1↵  a↵↵
|9↵  a
|0↵  a
|10↵  a
|-+↵  a
|--↵  a
|12↵  a
|a↵  b
| a↵  b
| #c↵  a
|#c↵  a
|-#c↵  a
|- #c↵  a
|→↵  a
|→#c↵  a
|↵→a
|↵  →a
|↵ →a
|↵  a↵→b
|↵  a↵ b
|↵  a↵  #b
|↵  a↵#b
|↵  a↵ #b
|↵  a↵    #b
|↵  #a
|↵    ↵  a
|↵ ↵  a
|↵   ↵  a
|↵  ↵   ↵  a
|↵     
|↵  a↵     
|↵  a↵ ↵  b
|+↵  a↵ 
|+↵  a↵   
|↵  a   ↵  b→
|↵  a: b↵  - c
|↵  ---↵  a
|↵  ...
|↵  \n "a" 'b'
>↵  a   ↵  b
>↵   ↵  a
>↵  →a↵  b
>↵  - a↵  - b
>↵  a↵↵↵    b↵↵↵  c↵↵↵
>1↵   a↵  b
>2↵    a↵  b
&a |↵  b
!!str |↵  b
!!int |↵  5
!!int |-↵  5
| ↵  a
|  ↵  a↵
|↵  a⟨2028⟩b
a⟨d⟩
a⟨d⟩↵  b
"a⟨d⟩↵  b"
|⟨d⟩↵  a⟨d⟩↵  b⟨d⟩↵
# a⟨d⟩↵  b
"a" "b"
'a' b
"a" b
"a↵  b" c
"a↵---↵b"
"a↵...↵b"
'a↵--- b'
"a↵ ---↵ b"
a↵  ---↵  b
%a
a %b
a↵%b
@a
a @b
>a
|a
a |b
a↵ |b
`)

// Whole texts: documents, directives, indentation, keys.
const texts = spelled(String.raw`
⟨feff⟩a: b
⟨feff⟩{"a": 1}
⟨feff⟩# c
a: b↵⟨feff⟩c: d
⟨feff⟩⟨feff⟩a: b
a: b⟨d⟩↵c: d⟨d⟩↵
a: b⟨d⟩c: d
a: |⟨d⟩↵  b⟨d⟩↵  c
# only a comment
# a↵# b↵
---
---↵
---↵---↵
---↵# a↵---↵
---↵a: b
---↵a: b↵---↵c: d
a: b↵---↵c: d↵---
a: b↵---↵c: d↵---↵
a: b↵--- ↵c: d
a: b↵---→↵c: d
a: b↵---→# x↵c: d
a: b↵--- # x↵c: d
a: b↵---# x↵c: d
a: b↵---x↵c: d
a: b↵--- x↵c: d
a: b↵--- {c: d}
--- {c: d}
--- a
--- |↵a
--- |↵ a
--- !!map↵a: b
--- &a↵a: b
a: b↵----↵c: d
a: b↵-----BEGIN-----↵c: d
a: b↵ ---↵c: d
a: b↵  ---↵c: d
a: b↵...
a: b↵...↵
a: b↵... # c
a: b↵...#c
a: b↵...x
a: b↵... x
a: b↵...↵...
a: b↵...↵c: d
a: b↵...↵# c
a: b↵...↵---↵c: d
a: b↵...↵%YAML 1.1↵---↵c: d
...
...↵a: b
... ↵---↵a: b
a: |↵  b↵---↵c: d
a: |↵  b↵  ---↵  c
a: "b↵---↵c"
a: 'b↵  ---↵  c'
a: [b,↵---↵c]
a: b↵---⟨d⟩↵c: d
a: b⟨d⟩---⟨d⟩c: d
a: b⟨2028⟩---⟨2028⟩c: d
a: b #⟨2028⟩c: d
a: b #⟨85⟩c: d
a: b #⟨d⟩c: d
%YAML 1.1↵---↵a: b
%YAML 1.2↵---↵a: b
%YAML 1.0↵---↵a: b
%YAML 1.1
%TAG ! tag:x,2000:↵---↵a: !b c
%TAG !! tag:x,2000:↵---↵a: !!str c
%FOO bar↵---↵a: b
# c↵%YAML 1.1↵---↵a: b
%a
 %YAML 1.1↵---↵a: b
a: b↵%YAML 1.1
a:↵%b
a↵%b
{a: b↵%c}
a: |↵%b
→a: b
a:→b
a :→b
a:→→b →# c
a: b→
a→: b
a: b↵→
a: b↵→↵c: d
a: b↵→# c
a: b↵→c: d
a:↵→b: c
a:↵ →b: c
a:↵  →b: c
a:↵  b: c↵→d: e
a:↵→- b
a:↵ →- b
a:↵-→b
a:↵- →b: c
a:↵- b↵→- c
→
 →
→# a
→{a: b}
{→a: b→}
→↵a: b
a: b
 a: b
 a: b↵c: d
a: b↵ c: d
a:↵ b: c↵  d: e
a:↵  b: c↵ d: e
a:↵- b↵- c
a:↵- b↵ - c
a:↵ - b↵- c
a:↵  - b↵  -c
a:↵- b↵c: d
a:↵- b↵d
- a↵b: c
a: b↵- c
a: b↵c
a↵b: c
a↵b
a b: c
a  : b
a:b
a: b: c
a:  b  
a:↵  b
a:↵b
a:↵ b↵ c
a:↵  b↵ c
a: b↵ c↵d: e
a: b↵c↵d: e
a: b↵  c: d
a:↵↵  b: c↵↵↵  d: e
a: # c↵  b: c
a: # c↵  # d↵  b
a:↵# c↵  b: c↵ # d↵    # e↵  f: g
a: |↵ b↵# c↵d: e
a: |↵ b↵ # c↵d: e
a: |↵↵↵ b↵c: d
a: |2↵  b↵c: d
a: |2↵   b↵  c↵d: e
a: |↵b
a: >↵b
- |↵ a
- |↵a
- >↵ a↵ b↵- c
-↵ - a↵ - b
- a↵- b
- a↵ - b
- a↵-
- - a↵  - b↵- c
- - a↵ - b
- a: b↵  c: d
- a: b↵c: d
- a:↵  - b↵  c: d
- a:↵    b↵  c: d
- a:↵  b↵  c: d
-a
- -a
- - 
-
- ↵- 
[a, b]
[a,↵b]
[a,↵b↵]
 [a,↵b]
{a: b}
{a: b,↵c: d}
{↵a: b↵}
{↵"a": "b",↵→"c": ["d",↵→→"e"]↵}
{"a": 1} {"b": 2}
{"a": 1}{"b": 2}{"c": 3}
{"a": 1}↵{"b": 2}↵
{"a": 1}↵---↵{"b": 2}
{"a": 1}↵---↵b: 2
{"a": 1}↵b: 2
{"a": 1}↵{"b": 2}↵c: 3
{"a": 1}↵{"b": 2}↵---↵c: 3
{"a": 1}↵{"b": 2}↵{c: 3}
{"a": 1}↵{"b": 2}↵{"c": 3↵
{"a": 1}↵{b: 2}
{"a": 1} # c
{"a": 1}↵# c
{"a": 1}↵# c↵---↵{"b": 2}
{"a": 1} x
{"a": 1},
{}1.[?a]0: b
{}11e6.[?a]0: b
{}1x: b
a:↵#>↵ c↵- b
a:↵#c↵ b↵c: d
a:↵#c↵ |↵ b↵- d
a:↵#c↵ |↵ b↵c: d
a:↵#c↵ "b↵- d"
a:↵#c↵ [b,↵d]
- #c↵ a↵- b
-↵#c↵  a↵ b
a:↵  b:↵#c↵   c↵  d: e
a:↵  b:↵#c↵   c↵  - e
[1, {"q\\": 1}, {"q\u0026": 1}]
{"a": 1, "h\\u00": 2}
{"a": 1, "h\u006fsts": ["x"]}
{"a": [{"c": 1, "h\\u00": 2}, [{"c": 1, "h\u006fsts": ["x"]}]]}
{}01: b
{}-: b
{"a": 1} null {"b": 2}
{"a": 1} [1] {"b": 2}
{"a": 1} 1 {"b": 2}
{"a": 1} "x"
{a: 1}↵---↵{"b": 2}
a: 1↵---↵{"b": 2} {"c": 3}
 {"a": 1}
↵↵{"a": 1}
→{"a": 1}
# c↵{"a": 1}
---↵{"a": 1}
{"a": 1}↵---
{"a": 1}↵---↵
{"a": 1}---
{"a": 1}⟨a0⟩{"b": 2}
⟨a0⟩{"a": 1}
⟨85⟩{"a": 1}
⟨2028⟩{"a": 1}
⟨c⟩{"a": 1}
⟨b⟩{"a": 1}
{"a": 1,}
{"a": 01}
{"a": .5}
{"a": 1.}
{"a": +1}
{"a": 1e400}
{"a": 1E400}
{"a": -1e400}
{"a": 1e-400}
{"a": -0}
{"a": -0.0}
{"a": 1e3}
{"a": 1.0}
{"a": 10000000000000000000000}
{"a": 9007199254740993}
{"a": 9007199254740993.0}
{"a": 9223372036854775808}
{"a": 18446744073709551615}
{"a": 0x10}
{"a": NaN}
{"a": y}
{"a": "\ud800"}
{"a": "\udc00\ud800"}
{"a": "\ud83d\ude00"}
{"a": "\u0000"}
{"a": "⟨7f⟩⟨80⟩⟨2028⟩⟨feff⟩⟨ffff⟩"}
{"\ud800": 1}
{"a": "\/"}
{"a": "\'"}
{"a": "\x41"}
{"a": "b→c"}
{"a": "b↵c"}
{"a": '1'}
{'a': 1}
{"a": 1, "a": 2}
{"a": 1, "A": 2}
{"a": {"b": 1, "b": 2}}
{"a": [{"b": 1, "\u0062": 2}]}
{"__proto__": {"a": 1}}
{"constructor": {"prototype": {"a": 1}}}
{"a": {"__proto__": null}}
{"a"}
{"a":}
{}
{}{}
{} {} {}
[]
[{"a": 1}]
"a"
1
null
~
true
a
{"a": 1
{"a": [1, 2}
{"a": tru}
{"a": true/*c*/}
{"items": []}
a: &b c↵d: *b
a: *b
a: &b [*b]
a: &b {c: *b}
a: &b↵  c: *b
&a a: *a
a: &x 1↵b: &x 2↵c: *x
a: *x↵b: &x 1
*a : b
*a: b
&a a: b↵*a : c
&a a: b↵c: {*a : d}
&a a: b↵c: {*a: d}
&a [b]: c
a: &b {c: d}↵*b : e
a: &b 1↵*b : e
a: &b ~↵*b : e
a: &b <<↵c: {*b : {d: e}}
a: &b {c: d}↵e:↵  <<: *b
a: &b {c: d}↵e: {<<: *b}
a: &b {c: d}↵e: {<<: *b, c: f}
a: &b {c: d}↵e: {c: f, <<: *b}
a: &b {c: d}↵e: {c: f, <<: *b, g: h}
a: &b {c: d}↵e: {c: f, <<: *b, c: h}
a: &b {c: d}↵e: {<<: *b, <<: *b}
a: &b {c: d}↵e: {<<: *b, <<: {c: x}}
a: &b {c: 1, d: 1}↵e: &f {c: 2, g: 2}↵h: {<<: [*b, *f]}
a: &b {c: 1, d: 1}↵e: &f {c: 2, g: 2}↵h: {<<: [*f, *b], d: 3}
a: &b {c: 1, d: 1}↵h: {<<: [*b, {c: 2, x: y}]}
a: &b {c: 1}↵h: {<<: [[*b]]}
a: &b [{c: 1}]↵h: {<<: *b}
a: &b {c: 1}↵h: &i {<<: *b, d: 2}↵j: {<<: *i}
a: &b {c: {d: 1}}↵e: {<<: *b, c: {f: 2}}
a: {<<: {b: c}}
a: {<<: [{b: c}, {b: d}]}
a: {<<: []}
a: {<<: }
a: {<<: ~}
a: {<<: x}
a: {<<: [x]}
a: {<<: [~]}
a: {"<<": {b: c}}
a: {'<<': {b: c}}
a: {!!merge <<: {b: c}}
a: {! <<: {b: c}}
a: {!!str <<: {b: c}}
a: {? << : {b: c}}
a: {&x <<: {b: c}}
a: {<< : {b: c}}
a: {<<}
a: &b {<<: *b}
a: &b {1: x}↵c: {<<: *b, "1": y}
a: &b {"1": x}↵c: {<<: *b, 1: y}
a: &b {y: x}↵c: {<<: *b, "true": y}
<<: {a: b}
<<: {a: b}↵a: c
<<: &x {a: b}↵c: *x
a: <<
a: [<<]
a: 1↵a: 2
a: 1↵"a": 2
a: 1↵'a': 2
{a: 1, a: 2}
a: {b: 1, c: 2, b: 3}
1: a↵1: b
1: a↵"1": b
1: a↵1.0: b
1: a↵0x1: b
y: a↵yes: b
y: a↵true: b
y: a↵"true": b
~: a
null: a
"": a
: a
? : a
.inf: a
-.inf: a
.nan: a
.nan: a↵.nan: b
1.5: a↵"1.5": b
a: 1↵A: 2
[a]: b
{a: b}: c
? [a]↵: b
? {a: b}↵: c
? a↵: b
? a
? a↵? b
? a↵:
? a↵b: c
? a↵↵: b
? a↵# c↵: b
? a↵ : b
? >↵ a↵: b
? "a"↵: b
? a: b↵: c
? - a↵: - b
? a↵: - b↵  - c
? a↵: b: c↵  d: e
?a: b
? a : b
"a": b
'a': b
"a" : b
"a"  : b
"a":b
"a↵ b": c
'a↵ b': c
a↵ b: c
"a"b: c
"a": "b"
"a": "b"c
"a": "b" c
"a": 'b' #c
"a": "b"#c
a: "b
a: 'b
a: "b↵
a: "b\
a: 'b↵c: d
a: "b"↵ c
a: 'b'↵  c: d
a: [b↵c: d
a: {b↵c: d
a: ]
a: }
a: [b] c
a: [b]↵ c
a: b # c↵ d
a: b #c
a: b#c
a: #c
a:#c
a#: b
a #: b
#a: b
a: "b #c"
a: b↵#c
a: b↵ #c
a: b↵   #c↵c: d
a:↵  - b↵  # c↵  - d
a:↵  # c↵  - b
a:↵# c↵- b
a:↵  b↵  # c
__proto__: a
__proto__: {a: b}
{__proto__: {a: b}}
constructor: {prototype: {a: b}}
a: {__proto__: 1, constructor: 2, toString: 3, hasOwnProperty: 4}
a: &b {__proto__: {c: d}}↵e: {<<: *b}
a: !!str
a: !!str↵b: c
a: !!map↵  b: c
a: !!map↵b: c
a: !!seq↵- b
a: !!seq↵  - b
a: !!seq - b
a: &x↵- b
a: &x - b
a: &x↵  b: c
a: &x b: c
&x a: b
&x↵a: b
&x &y a: b
!!map↵a: b
!!map {a: b}
!!str a: b
!!int a: b
!!int 1: b
!!binary aGVsbG8=: b
- &a b↵- *a
- &a↵- *a
- &a ↵  b↵- *a
- !!str↵- b
- &a - b
- ? a
- ? a↵  : b
- : a
- "a": b
- [a]
- [a]: b
- {a: b}
- {a: b}: c
- a: [b,↵  c]
- a: [b,↵c]
- a: {b: c,↵  d: e}
a:↵  [b,↵  c]
a:↵  [b,↵c]
a: [↵b]
a: [↵]
a: {↵}
a: {↵  }
a: "b↵c"
a: 'b↵c'
a: "b↵  c↵↵  d"
a:↵  "b": c
a:↵  "b"
a:↵ |↵  b
a:↵  |↵  b
a:↵  >-↵    b↵    c
a:↵  &x↵  b: c
a:↵  !!map↵  b: c
a:↵  &x b: c
a:↵  !!str b: c
a: ⟨1f600⟩
⟨1f600⟩: a
a: b ⟨1f600⟩ # ⟨1f600⟩
a: ⟨0⟩
a: b # ⟨0⟩
a: b # ⟨1b⟩
a: b # ⟨7f⟩
a: b↵...↵⟨0⟩
⟨0⟩
a: b⟨fffe⟩
`)

const manifests = [
  `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: stripe
  namespace: shop
  labels: {app.kubernetes.io/part-of: "shop", on: "yes"}
  annotations:
    note: >-
      folded text
      over lines
spec:
  hosts:
  - api.stripe.com
  - "*.stripe.com"
  ports:
  - number: 443
    name: https
    protocol: TLS
  resolution: DNS
  location: MESH_EXTERNAL
`,
  `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: egress, namespace: shop}
spec:
  hosts: [api.stripe.com]
  gateways: [mesh, istio-egress/egress]
  tls:
    - match:
        - gateways: [mesh]
          port: 443
          sniHosts: [api.stripe.com]
      route:
        - destination: {host: istio-egressgateway.istio-egress.svc.cluster.local, port: {number: 443}}
          weight: 100
---
# the other way
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: egress
  namespace: istio-egress
spec:
  selector: {istio: egressgateway}
  servers:
  - port: {number: 443, name: tls, protocol: TLS}
    hosts: ["*"]
    tls: {mode: PASSTHROUGH}
`,
  `apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |-
    accessLogFile: /dev/stdout
    outboundTrafficPolicy:
      mode: REGISTRY_ONLY
    defaultConfig:
      proxyMetadata: {}
  meshNetworks: 'networks: {}'
  bytes: "\\u00e9\\x41"
binaryData:
  x: aGVsbG8=
`,
  `apiVersion: apps/v1
kind: Deployment
metadata: &meta
  name: web
  labels: &labels {app: web, version: v1}
spec:
  replicas: 3
  selector: {matchLabels: {<<: *labels}}
  template:
    metadata:
      labels:
        <<: *labels
        sidecar.istio.io/inject: "true"
      annotations:
        traffic.sidecar.istio.io/excludeOutboundIPRanges: 10.0.0.0/8,192.168.0.0/16
        proxy.istio.io/config: |
          holdApplicationUntilProxyStarts: true
    spec:
      containers:
        - name: web
          image: example.com/web:1.2
          args: ["--port=8080", '--x', "-y"]
          command:
          - sh
          - -c
          - |
            set -e
              exec web --listen :8080 # not a comment
          resources: {limits: {cpu: 100m, memory: 1Gi}}
          ports: [{containerPort: 8080, name: http}]
          securityContext: {runAsUser: 1337, runAsNonRoot: yes}
      terminationGracePeriodSeconds: 30
`,
  `apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {istio-injection: enabled}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata:
    name: deny
    namespace: shop
  spec:
    podSelector: {}
    policyTypes: [Egress]
    egress:
    - to:
      - ipBlock:
          cidr: 10.0.0.0/8
          except:
          - 10.1.0.0/16
      ports:
      - port: 443
        protocol: TCP
`,
  `{
  "apiVersion": "networking.istio.io/v1",
  "kind": "DestinationRule",
  "metadata": { "name": "stripe", "namespace": "shop", "annotations": { "a": "b\\n\\u2028c" } },
  "spec": { "host": "api.stripe.com", "trafficPolicy": { "tls": { "mode": "SIMPLE", "sni": "api.stripe.com" } } }
}
`,
  `# Source: chart/templates/sidecar.yaml
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
    name: default
    namespace: "shop"
spec:
    workloadSelector:
        labels:
            app: web
    egress:
        - hosts:
            - "./*"
            - 'istio-system/*'
          port:
              number: 0443
              protocol: HTTPS
    outboundTrafficPolicy:
        mode: ALLOW_ANY   # opened


---

---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: shop}
spec:
  type: ExternalName
  externalName: example.com
...
`,
]

// Where a scalar may stand.
const places: readonly ((text: string) => string)[] = [
  text => text,
  text => `a: ${text}`,
  text => `${text}: a`,
  text => `- ${text}`,
  text => `a: [${text}]`,
  text => `a: [x, ${text} ]`,
  text => `a: {b: ${text}}`,
  text => `a: {b: ${text}, c: d}`,
  text => `a: {${text}: b}`,
  text => `a: {${text}}`,
  text => `a:\n  b: ${text}\n  c: d`,
]

// Where a longer value may stand.
const spots: readonly ((text: string) => string)[] = [
  text => text,
  text => `a: ${text}`,
  text => `a: ${text}\nc: d\n`,
  text => `- ${text}`,
  text => `a:\n  ${text}`,
  text => `a: &a x\nb: ${text}`,
]

/** The hand-written texts, every scalar and value in every place. */
export function handwritten(): readonly Sample[] {
  const all = [
    '',
    ...texts,
    ...manifests,
    ...manifests.map(text => text.replaceAll('\n', '\r\n')),
    ...words.flatMap(word => places.map(place => place(word))),
    ...values.flatMap(value => spots.map(spot => spot(value))),
    ...[490, 600].flatMap(depth => [
      `${'['.repeat(depth)}${']'.repeat(depth)}`,
      `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
      `${'- '.repeat(depth)}a`,
    ]),
    ...[900, 1015, 1030, 2000].flatMap(length => [
      `${'k'.repeat(length)}: a`,
      `${'é'.repeat(length)}: a`,
      `"${'k'.repeat(length)}": a`,
      `{${'k'.repeat(length)}: a}`,
      `{"${'k'.repeat(length)}": a}`,
      `? ${'k'.repeat(length)}\n: a`,
      `a: ${'v '.repeat(length)}`,
      `[${'k'.repeat(length)}: a]`,
      `[[${'k,'.repeat(length / 2)}]: a]`,
      `{a: [${'k,'.repeat(length / 2)}], b: c}`,
      `- ${'k'.repeat(length)}: a`,
      `&${'k'.repeat(length)} a: b`,
    ]),
  ]
  return all.map((text, index) => ({ id: `h${index}`, text }))
}

/** Returns `count` random texts; the same seed gives the same texts. */
export function generated(seed: number, count: number): readonly Sample[] {
  const random = stream(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(list: readonly [T, ...T[]] | readonly T[]): T => list[below(list.length)] as T
  const seeds = [...texts, ...manifests, ...manifests]
  const marks = [' ', '  ', '\n', '\n  ', '\n- ', '\n---\n', '\t', ': ', ', ', '- ', '? ', '[', ']', '{', '}', '"', "'", '#', ' #', '&a ', '*a', '|\n', '>\n', '!!str ', '\\', '\r\n', '...\n', '<<: ', ':', '-', '\n\n', '%', '!'] // biome-ignore format: one list of marks

  function node(depth: number, indent: string): string {
    const roll = below(depth > 3 ? 4 : 9)
    if (roll < 3) return pick(words)
    if (roll === 3) return pick(values).replaceAll('\n  ', `\n${indent}  `)
    const items = Array.from({ length: 1 + below(3) }, () => node(depth + 1, `${indent}  `))
    if (roll === 4) return `[${items.join(pick([', ', ',', ' , ', ',\n  ']))}]`
    if (roll === 5) return `{${items.map(item => `${pick(words)}${pick([': ', ':', ' : '])}${item}`).join(', ')}}`
    if (roll === 6) return items.map(item => `\n${indent}- ${item}`).join('')
    return items.map(item => `\n${indent}  ${pick(words)}: ${item}`).join('')
  }

  function mutated(text: string): string {
    let changed = text
    for (let change = 1 + below(3); change > 0; change--) {
      const at = below(changed.length + 1)
      const cut = pick([0, 0, 0, 1, 1, 3])
      changed = changed.slice(0, at) + pick([pick(marks), pick(marks), pick(words), '']) + changed.slice(at + cut)
    }
    return changed
  }

  return Array.from({ length: count }, (_, index) => {
    const made = [
      () => mutated(pick(seeds)),
      () => mutated(pick(places)(pick(words))),
      () => mutated(pick(spots)(pick(values))),
      () => `a: ${node(0, '')}\n`,
      () => Array.from({ length: 2 + below(8) }, () => pick([pick(marks), pick(words), 'a'])).join(''),
    ]
    return { id: `g${seed}-${index}`, text: pick(made)().toWellFormed() }
  })
}

// mulberry32: small, and the same everywhere.
function stream(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
