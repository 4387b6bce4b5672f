# ruff: noqa: E501 - the cells are written as a user writes them
"""Functions: what they close over, and what is redefined under them."""

from . import case

case(
    "closures_over_loop_variables",
    [
        "late = [lambda: i for i in range(3)]\nearly = [lambda i=i: i for i in range(3)]\ndef build():\n    out = []\n    for n in range(3):\n        def f():\n            return n\n        out.append(f)\n    return out, lambda v: [None for _ in ()] or locals()\nfs, _peek = build()\nfor i in range(7):\n    pass\nglobal_late = [lambda: i for _ in range(2)]",
        "i = 42",
    ],
    [
        "[f() for f in late] == [2, 2, 2] and [f() for f in early] == [0, 1, 2]",
        "[f() for f in fs] == [2, 2, 2]",
        "global_late[0]() == 42",
        "fs[0].__closure__[0] is fs[1].__closure__[0]",
    ],
)

case(
    "a_function_that_others_use_is_redefined",
    [
        "def rate():\n    return 2\ndef price(x):\n    return x * rate()\ntable = {'f': price, 'r': rate}\nbefore = price(10)",
        "def rate():\n    return 3\nafter = price(10)",
    ],
    ["before == 20 and after == 30", "price(1) == 3 and table['f'] is price and table['r']() == 2"],
)

case(
    "recursion_and_mutual_state",
    [
        "memo = {}\ndef fib(n):\n    if n in memo:\n        return memo[n]\n    memo[n] = r = n if n < 2 else fib(n - 1) + fib(n - 2)\n    return r\nr = fib(80)",
        "fib.calls = len(memo)",
    ],
    ["r == 23416728348467685 and len(memo) == 81", "fib(81) == 37889062373143906 and fib.calls == 81"],
)

case(
    "caches_bounded_and_not",
    [
        "import functools\nseen = []\n@functools.lru_cache(maxsize=2)\ndef small(x):\n    seen.append(x)\n    return [x]\n@functools.cache\ndef big(x):\n    return [x]\nheld = small(1)\nkept = big(1)",
        "small(2)\nkept.append('more')",
    ],
    ["held == [1] and seen == [1, 2]", "small(1) == [1]", "big(1) is kept and kept == [1, 'more']"],
)

case(
    "defaults_attributes_and_annotations",
    [
        "shared = []\ndef f(x: 'int', *, log=shared, n=[0]) -> list:\n    '''doc'''\n    n[0] += 1\n    log.append(x)\n    return n\nf.extra = {'log': shared}",
        "f(1)\nf(2)\nf.__defaults__\nf.extra['new'] = f",
    ],
    [
        "shared == [1, 2] and f(3) == [3] and shared == [1, 2, 3]",
        "f.extra['log'] is shared and f.extra['new'] is f",
        "f.__annotations__ == {'x': 'int', 'return': list} and f.__doc__ == 'doc'",
    ],
)

case(
    "decorator_with_state_in_a_class",
    [
        "class counted:\n    def __init__(self, f):\n        self.f, self.n = f, 0\n        __import__('functools').update_wrapper(self, f)\n    def __call__(self, *a):\n        self.n += 1\n        return self.f(*a)\n    def __get__(self, obj, owner=None):\n        return __import__('functools').partial(self, obj)\n@counted\ndef add(a, b):\n    return a + b\nclass Thing:\n    @counted\n    def m(self):\n        return self\nt = Thing()",
        "add(1, 2)\nx = t.m()",
    ],
    ["add.n == 1 and add(2, 2) == 4 and add.__name__ == 'add'", "x is t and Thing.__dict__['m'].n == 1"],
)

case(
    "functions_made_by_code",
    [
        "import types\nexec('def made(x):\\n    return x + offset')\noffset = 5\nscope = {'base': [1]}\nexec('def apart():\\n    base.append(2)\\n    return base', scope)\napart = scope['apart']\ncompiled = compile('y = offset * 2', '<mine>', 'exec')\ncopy = types.FunctionType(made.__code__, {'offset': 100})\nev = eval('lambda q: q * offset')",
        "apart()\nexec(compiled)\noffset = 6",
    ],
    [
        "made(1) == 7 and ev(2) == 12 and y == 10",
        "scope['base'] == [1, 2] and apart() is scope['base']",
        "copy(1) == 101",
        "(exec(compiled), y == 12)[1]",
    ],
)

case(
    "context_managers_half_entered",
    [
        "import contextlib\nevents = []\n@contextlib.contextmanager\ndef managed(n):\n    events.append(('in', n))\n    yield n\n    events.append(('out', n))\nstack = contextlib.ExitStack()\nstack.callback(events.append, 'end')\nwith managed(1) as one:\n    pass",
        "stack.push(lambda *a: events.append('pushed'))",
    ],
    ["events == [('in', 1), ('out', 1)] and one == 1", "(stack.close(), events[-2:] == ['pushed', 'end'])[1]"],
    may_lose=("stack",),
)

case(
    "operators_and_builtins_as_values",
    [
        "import operator, math\nops = {'+': operator.add, 'max': max, 'j': ','.join, 'int': int, 'c': math.cos, 's': str.upper, 'd': dict.fromkeys, 'f': float.__add__}\nnt = type(None)\nfn = type(lambda: 0)",
    ],
    [
        "ops['+'](1, 2) == 3 and ops['max'] is max and ops['j'](['a', 'b']) == 'a,b'",
        "ops['s']('x') == 'X' and ops['d']('a') == {'a': None} and ops['f'](1.0, 2.0) == 3.0",
        "nt is type(None) and isinstance(ops['j'], type(''.join)) and fn is type(lambda: 0)",
    ],
)

case(
    "context_variables",
    [
        "import contextvars\nuser = contextvars.ContextVar('user', default='nobody')\ntoken = user.set('ada')",
        "who = user.get()\nctx = contextvars.copy_context()",
    ],
    ["who == 'ada'", "user.get() == 'ada' and user.name == 'user'"],
    may_lose=("user", "token", "ctx"),
)

case(
    "a_global_changed_through_many_doors",
    [
        "n = 0\nlog = []\ndef a():\n    global n\n    n += 1\ndef b():\n    globals()['n'] += 10\nclass C:\n    def __enter__(self):\n        a()\n    def __exit__(self, *x):\n        b()\nimport operator",
        "with C():\n    log.append(n)",
        "[a() for _ in range(3)]\nsorted([1, 2], key=lambda v: b() or v)",
        "import __main__\n__main__.n += 100\nsetattr(__main__, 'm', 7)\nvars(__main__)['k'] = [n]",
    ],
    ["n == 134 and log == [1] and m == 7 and k == [134]"],
)
