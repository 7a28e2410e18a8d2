"""The report's style sheet, and the colour of every category in light and in dark."""

# Category -> (light, dark). Waiting and overhead are warm, the model's mathematics is blue.
_CATEGORY_COLOURS = {
    "start-up": ("#94a3b8", "#64748b"),
    "initialisation": ("#64748b", "#94a3b8"),
    "features": ("#f59e0b", "#f5a524"),
    "data": ("#ef6c3a", "#f97f51"),
    "forward": ("#3b82f6", "#60a5fa"),
    "backward": ("#1e4fc2", "#3b6fe0"),
    "optimizer": ("#0ea5b7", "#2cc4d6"),
    "hook": ("#d946a6", "#f472c0"),
    "loop": ("#a5c4f7", "#34517f"),
    "eval": ("#10a06a", "#34c78c"),
    "checkpoint": ("#9a6b3f", "#c08a58"),
    "finalisation": ("#7c8798", "#7c8798"),
    "profiler": ("#6d5bd0", "#9a8cf0"),
    "other": ("#d3dae3", "#333d4d"),
}
COLOURS = {name: f"var(--{name})" for name in _CATEGORY_COLOURS}
# Lines of the system plots, in order; more cores than these begin again.
LINES = tuple(f"var(--line{number})" for number in range(6))
_LINE_COLOURS = (
    ("#2563eb", "#7ab0ff"),
    ("#e4572e", "#ff8f6b"),
    ("#0f9d76", "#3ddba8"),
    ("#a23bd1", "#d58bff"),
    ("#c2880b", "#f2c14e"),
    ("#64748b", "#a3b1c6"),
)
_NAMED = dict(_CATEGORY_COLOURS) | {f"line{i}": pair for i, pair in enumerate(_LINE_COLOURS)}


def _colours(which: int) -> str:
    return "".join(f"--{name}:{pair[which]};" for name, pair in _NAMED.items())


STYLE = (
    f":root{{color-scheme:light dark;--paper:#f5f7fa;--card:#fff;--ink:#17202e;--soft:#566377;"
    f"--edge:#dfe5ec;--bad:#c8321f;--badbg:#fdebe7;--good:#0b7a53;--goodbg:#e3f5ec;"
    f"--accent:#1d5fd1;--accentbg:#e8f0fe;{_colours(0)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{--paper:#0e131b;--card:#171e29;--ink:#e8edf5;"
    f"--soft:#9aa8bb;--edge:#2a3443;--bad:#ff8a75;--badbg:#3b1d18;--good:#54d6a0;--goodbg:#12342a;"
    f"--accent:#82b1ff;--accentbg:#1b2b47;{_colours(1)}}}}}"
    """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
 font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:1120px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0 0 12px}
h3{font-size:.95rem;margin:20px 0 6px}
p{margin:0 0 10px}
.soft,.axis,figcaption{color:var(--soft)}
section,header{background:var(--card);border:1px solid var(--edge);border-radius:14px;
 padding:18px;margin:0 0 16px;min-width:0}
header{background:none;border:0;padding:0 2px}
.chip{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.8rem;font-weight:600;
 background:var(--edge);color:var(--soft);white-space:nowrap}
.chip.bad{background:var(--badbg);color:var(--bad)}
.chip.good{background:var(--goodbg);color:var(--good)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:10px;
 margin:16px 0 0;padding:0;list-style:none}
.figures li{background:var(--card);border:1px solid var(--edge);border-radius:12px;
 padding:10px 14px}
.figures b{display:block;font-size:1.2rem;line-height:1.3;
 white-space:nowrap;font-variant-numeric:tabular-nums}
.figures span{color:var(--soft);font-size:.82rem}
.bar{display:flex;height:44px;border-radius:10px;overflow:hidden;background:var(--edge)}
.bar.small{height:22px;border-radius:6px}
.bar span{display:block;min-width:0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 16px;padding:0;margin:8px 0;
 font-size:.85rem}
.legend li{display:flex;align-items:center;gap:6px}
.legend i{width:11px;height:11px;border-radius:3px;flex:none}
.legend.values{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));
 gap:3px 24px;margin:14px 0 18px;font-size:.92rem}
.legend.values li{border-bottom:1px solid var(--edge);padding:3px 0}
.legend.values b{font-weight:500}
.legend.values span{margin-left:auto;font-variant-numeric:tabular-nums;color:var(--soft)}
figure{margin:0 0 6px}
.plot{position:relative;height:110px;border-bottom:1px solid var(--edge);
 border-top:1px dashed var(--edge)}
.plot.strip{height:84px;border:0;border-radius:8px;overflow:hidden;background:var(--edge)}
.plot.tall{height:150px}
.plot svg{display:block;width:100%;height:100%}
.plot .top{position:absolute;top:2px;left:4px;font-size:.75rem;color:var(--soft);
 background:var(--card);border-radius:4px;padding:0 3px;opacity:.9}
.plot .top.right{left:auto;right:4px}
.axis{display:flex;justify-content:space-between;font-size:.75rem;padding-top:3px;
 font-variant-numeric:tabular-nums}
.line,.grid,.limit,.dots{fill:none;vector-effect:non-scaling-stroke}
.line{stroke-width:1.6;stroke-linejoin:round}
.area{opacity:.16}
.grid{stroke:var(--edge)}
.loop{fill:var(--accentbg);opacity:.65}
.limit{stroke:var(--bad);stroke-width:1.2;stroke-dasharray:5 4}
.dots{stroke:var(--forward);stroke-width:3;stroke-linecap:round;opacity:.75}
.dots.marked{stroke:var(--bad);stroke-width:6;opacity:1}
.bin{fill:var(--forward)}
.bin.marked{fill:var(--bad)}
.advice{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:12px;
 list-style:none;padding:0;margin:6px 0 0}
.advice li{border:1px solid var(--edge);border-left:4px solid var(--accent);border-radius:10px;
 padding:12px 14px}
.advice b{display:block;margin-bottom:2px}
.advice p{margin:0 0 8px;font-size:.92rem}
.advice div{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:center;
 gap:4px 12px}
.advice div span{color:var(--soft);font-size:.85rem}
.advice li{display:flex;flex-direction:column}.advice div{margin-top:auto}
code{font:.88em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--accentbg);
 color:var(--accent);border-radius:6px;padding:1px 7px;overflow-wrap:anywhere}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:8px 28px}
.two>*{min-width:0}
details{border-top:1px solid var(--edge);padding:9px 0}
details:first-of-type{border-top:0}
summary{cursor:pointer;display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 10px}
summary::before{content:"▸";color:var(--soft);width:.8em}
details[open] summary::before{content:"▾"}
summary .why{color:var(--soft);flex:1 1 320px;font-size:.92rem;min-width:0}
details>div{padding:8px 0 4px 1.5em;font-size:.92rem;min-width:0}
pre{margin:8px 0 0;padding:10px;border-radius:8px;background:var(--paper);overflow-x:auto;
 font:.8rem/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre-wrap;
 overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:5px 8px;border-bottom:1px solid var(--edge);white-space:nowrap}
th{color:var(--soft);font-weight:500}
th:first-child,td:first-child{text-align:left}
td:has(.meter){text-align:left;width:110px}
td .meter{display:inline-block;height:9px;border-radius:3px;background:var(--forward);
 vertical-align:middle}
footer{color:var(--soft);font-size:.82rem;padding:4px 2px}
@media(max-width:480px){main{padding:16px 10px 40px}section{padding:14px 12px}
 .figures{grid-template-columns:repeat(2,1fr)}.figures b{font-size:1.1rem}
 summary .why{flex-basis:100%}th,td{padding:5px 5px}}
@media print{section{break-inside:avoid}}
"""
)
