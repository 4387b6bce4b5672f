# ruff: noqa: E501 - the cells are written as a user writes them
"""What the shell itself remembers: settings, magics of every kind, outputs of every kind, history."""

from . import case

case(
    "settings_by_config_and_magics",
    [
        "%config InteractiveShell.ast_node_interactivity = 'all'\n%precision 3\n%xmode Minimal\n%config Completer.use_jedi = False",
        "1 / 3\n'second'",
    ],
    [
        "get_ipython().ast_node_interactivity == 'all'",
        "get_ipython().display_formatter.format(1 / 3)[0]['text/plain'] == '0.333'",
        "get_ipython().InteractiveTB.mode == 'Minimal'",
        "get_ipython().Completer.use_jedi is False",
    ],
)

case(
    "aliases_and_macros",
    ["%alias greet echo hi\n%alias_magic -l tm time\nx = 1", "x += 1", "%macro -q again 2", "out = %sx greet\nagain"],
    [
        "x >= 2 and 'greet' in get_ipython().alias_manager.linemagics if hasattr(get_ipython().alias_manager, 'linemagics') else get_ipython().find_line_magic('greet') is not None",
        "type(again).__name__ == 'Macro' and 'x += 1' in again.value",
        "get_ipython().find_line_magic('tm') is not None",
    ],
)

case(
    "magics_with_state_and_arguments",
    [
        "from IPython.core.magic import Magics, magics_class, line_magic, cell_magic\nfrom IPython.core.magic_arguments import argument, magic_arguments, parse_argstring\n@magics_class\nclass Counter(Magics):\n    def __init__(self, shell, store):\n        super().__init__(shell)\n        self.store, self.n = store, 0\n    @line_magic\n    def tick(self, line):\n        self.n += 1\n        self.store.append(line)\n        return self.n\n    @cell_magic\n    @magic_arguments()\n    @argument('-k', '--key', default='d')\n    def keep(self, line, cell):\n        args = parse_argstring(self.keep, line)\n        self.shell.user_ns[args.key] = cell\nbox = []\ncounter = Counter(get_ipython(), box)\nget_ipython().register_magics(counter)",
        "a = %tick one\nb = %tick two",
        "%%keep -k text\nbody",
    ],
    [
        "(a, b) == (1, 2) and box == ['one', 'two'] and text == 'body\\n'",
        "get_ipython().run_line_magic('tick', 'three') == 3 and box == ['one', 'two', 'three']",
        "counter.n == 3 and counter.store is box",
    ],
)

case(
    "magics_without_a_name_and_redefined",
    [
        "ip = get_ipython()\nip.register_magic_function(lambda line: line[::-1], 'line', 'rev')\nip.register_magic_function(lambda line, cell: cell.upper(), 'cell', 'loud')\nold_time = ip.find_line_magic('who')\nip.register_magic_function(lambda line: 'mine', 'line', 'who');",
        "r = %rev abc",
        "%%loud\nhello",
    ],
    [
        "r == 'cba' and _ == 'hello' .upper() + '\\n' or Out[3] == 'HELLO\\n'",
        "get_ipython().run_line_magic('rev', 'xy') == 'yx' and get_ipython().run_cell_magic('loud', '', 'q') == 'Q'",
        "get_ipython().run_line_magic('who', '') == 'mine'",
    ],
)

case(
    "representations_and_display",
    [
        "class A:\n    def _repr_html_(self): return '<i>A</i>'\nclass B: pass\nip = get_ipython()\nip.display_formatter.formatters['text/plain'].for_type(B, lambda o, p, cycle: p.text('B!'))\nip.display_formatter.formatters['text/latex'].for_type_by_name('fractions', 'Fraction', lambda f: f'${f}$')\ndef show(o): return '\\\\b'\nip.display_formatter.formatters['text/markdown'].for_type(int, show);",
        "from IPython.display import display\nA()\nh = display(B(), display_id='x')",
    ],
    [
        "get_ipython().display_formatter.format(B())[0]['text/plain'] == 'B!'",
        "get_ipython().display_formatter.format(5)[0]['text/markdown'] == '\\\\b'",
        "'text/latex' in get_ipython().display_formatter.format(__import__('fractions').Fraction(1, 2))[0]",
        "get_ipython().display_formatter.format(A())[0]['text/html'] == '<i>A</i>'",
    ],
)

case(
    "transformers_of_syntax",
    [
        "import ast\nclass Double(ast.NodeTransformer):\n    def __init__(self): self.count = 0\n    def visit_Constant(self, node):\n        if isinstance(node.value, int) and node.value == 21:\n            self.count += 1\n            return ast.copy_location(ast.Constant(42), node)\n        return node\ndouble = Double()\nget_ipython().ast_transformers.append(double)\nfrom IPython.core.inputtransformer2 import leading_indent\ndef swap(lines): return [l.replace('SIX', '6') for l in lines]\nget_ipython().input_transformers_post.append(swap)",
        "v = 21\nw = SIX",
    ],
    [
        "v == 42 and w == 6",
        "double in get_ipython().ast_transformers and double.count >= 1",
        "get_ipython().run_cell('z = SIX + 21', silent=True).success and z == 48",
    ],
)

case(
    "callbacks_of_every_event",
    [
        "log = []\nclass Watch:\n    def __init__(self): self.n = 0\n    def pre(self, info): self.n += 1\n    def post(self, result): log.append(result.success)\nw = Watch()\nip = get_ipython()\nip.events.register('pre_run_cell', w.pre)\nip.events.register('post_run_cell', w.post)\nip.events.register('post_execute', lambda: log.append('exec'))",
        "x = 1",
    ],
    [
        "x == 1 and w.n >= 1 and log.count(True) >= 1",
        "any(getattr(f, '__self__', None) is w for f in get_ipython().events.callbacks['pre_run_cell'])",
        "len([f for f in get_ipython().events.callbacks['post_execute'] if getattr(f, '__name__', '') == '<lambda>']) == 1",
    ],
)

case(
    "an_exception_handler_of_the_user",
    [
        "caught = []\nclass Mine(Exception): pass\ndef handle(self, etype, value, tb, tb_offset=None):\n    caught.append(str(value))\nget_ipython().set_custom_exc((Mine,), handle)",
        "raise Mine('first')",
    ],
    [
        "caught == ['first']",
        "get_ipython().custom_exceptions == (Mine,)",
        "(get_ipython().run_cell(\"raise Mine('second')\", silent=True), caught == ['first', 'second'])[1]",
    ],
    raises=(1,),
)

case(
    "outputs_of_every_kind",
    [
        "x = [1]\n(x, 'with x')",
        "class T: pass\nT()",
        "lambda v: v + 1",
        "{1, 2}",
        "_1[0].append(2)",
        "(i for i in range(3))",
        "None",
        "3.5",
        "_ * 2",
        "Out[2].a = Out[4]",
    ],
    [
        "Out[1][0] is x and x == [1, 2]",
        "type(_2) is T and _2.a is Out[4] and Out[3](1) == 2",
        "_4 == {1, 2} and Out[8] == 3.5 and Out[9] == 7.0 and 7 not in Out",
        "_ == 7.0 and __ == 3.5",
    ],
    may_lose=("Out[6]", "last output ___"),
)

case(
    "directories_and_history_of_the_shell",
    ["%mkdir -p a/b\n%cd -q a\n%pushd b\n%bookmark here", "%popd", "%cd -q ..\nseen = len(_dh)"],
    [
        "__import__('os').path.basename(__import__('os').getcwd()) == 'cwd' and seen == len(_dh)",
        "get_ipython().dir_stack == [] and _i3.startswith('%cd')",
        "_ih is In and _oh is Out and _i1.startswith('%mkdir')",
    ],
)

case(
    "an_extension_of_the_users_own",
    [
        "%%writefile myext.py\nstate = {'loads': 0}\ndef load_ipython_extension(ip):\n    state['loads'] += 1\n    ip.register_magic_function(lambda line: ('ext', line), 'line', 'extm')\ndef unload_ipython_extension(ip): pass",
        "%load_ext myext\nr = %extm q",
    ],
    [
        "r == ('ext', 'q')",
        "get_ipython().run_line_magic('extm', 'z') == ('ext', 'z')",
        "'myext' in get_ipython().extension_manager.loaded",
    ],
)

case(
    "comments_cell_ids_and_errors_in_history",
    ["a = 1", "1 /", "b = 2 # note\n\n", "raise ValueError", "a + b"],
    ["Out[5] == 3 and In[1] == 'a = 1' and In[5] == 'a + b'", "len(In) >= 6 and In[2] == '1 /'"],
    raises=(1, 3),
)

case(
    "in_and_out_under_other_names",
    ["history, results = In, Out\nfirst = In[1]", "results[2] = 'put there'\n'shown'", "keep = [len(history)]"],
    ["history is In and results is Out", "Out[2] == 'shown' or Out[2] == 'put there'", "keep == [4]"],
)
