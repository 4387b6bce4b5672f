# ruff: noqa: E501 - the cells are written as a user writes them
"""Sessions that are moved twice, with cells in between: what was restored is saved again as well as what was new."""

from . import case

case(
    "everyday_values_moved_twice",
    [
        "data = {'a': [1]}\nalias = data['a']\ndef total(): return sum(data['a'])\nclass P:\n    def __init__(self): self.items = alias\np = P()"
    ],
    [
        "alias == [1, 2, 3] and data['a'] is alias and p.items is alias and total() == 6",
        "q.items is alias and type(q) is P and type(p) is P",
        "In[1].startswith('data') and len(In) >= 3",
    ],
    again=("alias.append(2)\nq = P()", "p.items.append(3)"),
)

case(
    "a_generator_moved_twice",
    ["src = list(range(10))\ng = (s * s for s in src)\nnext(g)"],
    ["next(g) == 16 and src[-1] == 'end'"],
    again=("next(g), next(g)", "next(g)\nsrc.append('end')"),
    may_lose=("g",),
)

case(
    "effects_not_repeated_by_the_second_move",
    ["with open('log', 'a') as f: f.write('1')\nvals = [1]\ng = (v for v in vals); next(g);"],
    ["open('log').read() == '12' and vals == [1, 2]"],
    again=("with open('log', 'a') as f: f.write('2')\nvals.append(2)\nh = (v for v in vals); next(h);",),
    may_lose=("g", "h", "f"),
)

case(
    "outputs_and_history_moved_twice",
    ["[1, 2]", "{'k': _}", "5"],
    [
        "Out[1] == [1, 2] and Out[2]['k'] is Out[1] and Out[3] == 5 and Out[4] == [1, 2, 9] if False else Out[2]['k'] is Out[1]",
        "Out[5] == 'last' and _ == 'last' and __ == Out[4]",
        "_i1 == '[1, 2]' and In[5] == \"'last'\"",
    ],
    again=("Out[1].append(9); Out[1]", "'last'"),
)

case(
    "the_last_output_goes_on_after_a_move",
    ["41", "x = _ + 1\nx"],
    ["_ == 84 and __ == 42", "y == 42 and Out[3] == 84"],
    again=("y = _\ny * 2",),
)

case(
    "shell_and_process_moved_twice",
    [
        "from IPython.core.magic import register_line_magic\nimport signal, logging, os\n@register_line_magic\ndef twice(line): return line * 2\ncalls = []\ndef note(*a): calls.append(1)\nget_ipython().events.register('post_run_cell', note)\nsignal.signal(signal.SIGUSR2, note)\nos.environ['E'] = '1'\nlogging.getLogger('two').addHandler(h := logging.NullHandler())",
    ],
    [
        "r == 'abab' and get_ipython().run_line_magic('twice', 'c') == 'cc'",
        "get_ipython().events.callbacks['post_run_cell'].count(note) == 1",
        "signal.getsignal(signal.SIGUSR2) is note",
        "os.environ['E'] == '2' and logging.getLogger('two').handlers == [h]",
    ],
    again=("r = %twice ab", "os.environ['E'] = '2'"),
)

case(
    "recomputed_before_and_saved_after",
    ["import itertools\nbase = [3, 1, 2]\nf = map(str, base)\nl = (b for b in base)\nnext(l)"],
    ["list(f) == ['3', '1', '2'] and next(l) == 1 and kept == ['x', 3]"],
    again=("kept = ['x', base[0]]",),
    may_lose=("l",),
)

case(
    "what_was_lost_stays_told",
    [
        "import threading\nstop = threading.Event()\nt = threading.Thread(target=stop.wait, daemon=True)\nt.start()\nx = [1]"
    ],
    ["x == [1, 2] and 't' not in globals()"],
    again=("x.append(2)",),
    may_lose=("t",),
)

case(
    "module_state_moved_twice",
    [
        "open('st.py', 'w').write('n = 0\\nlog = []\\ndef up():\\n    global n\\n    n += 1\\n    log.append(n)\\n    return n\\n')\nimport st\nst.up()"
    ],
    ["st.n == 3 and st.log == [1, 2, 3] and st.up() == 4"],
    again=("st.up()", "st.up()"),
)

case(
    "random_streams_moved_twice",
    ["import random\nrandom.seed(11)\na = random.random()"],
    [
        "[a, b, c] == (lambda r: [r.random() for _ in range(3)])(random.Random(11))",
        "random.random() == (lambda r: [r.random() for _ in range(4)])(random.Random(11))[3]",
    ],
    again=("b = random.random()", "c = random.random()"),
)

case(
    "classes_changed_between_moves",
    ["class A:\n    tag = 'first'\n    def who(self): return 'old'\na = A()\nb = [a]"],
    ["a.who() == 'new' and A.tag == 'second' and b[0] is a and isinstance(c, A) and extra() == 'new'"],
    again=("A.who = lambda self: 'new'\nA.tag = 'second'", "c = A()\nextra = c.who"),
)
