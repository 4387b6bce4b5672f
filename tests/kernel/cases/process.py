# ruff: noqa: E501 - the cells are written as a user writes them
"""State of the process that no variable holds: hooks, handlers, patched modules, settings of the interpreter."""

from . import case

case(
    "signal_handlers",
    [
        "import signal\nhits = []\ndef on_usr1(number, frame):\n    hits.append(number)\nsignal.signal(signal.SIGUSR1, on_usr1)\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL);",
        "import os\nos.kill(os.getpid(), signal.SIGUSR1)",
    ],
    [
        "len(hits) == 1",
        "signal.getsignal(signal.SIGUSR1) is on_usr1",
        "signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL",
        "(__import__('os').kill(__import__('os').getpid(), signal.SIGUSR1), len(hits) == 2)[1]",
    ],
)

case(
    "output_streams_replaced",
    [
        "import sys, io\nclass Tee:\n    def __init__(self, inner): self.inner, self.seen = inner, []\n    def write(self, text):\n        self.seen.append(text)\n        return self.inner.write(text)\n    def flush(self): self.inner.flush()\n    def __getattr__(self, name): return getattr(self.inner, name)\nreal = sys.stdout\nsys.stdout = Tee(real)",
        "print('one')\nkept = ''.join(sys.stdout.seen)",
    ],
    ["kept.startswith('one')", "type(sys.stdout).__name__ == 'Tee'", "(print('two'), 'two' in sys.stdout.seen)[1]"],
)

case(
    "builtins_overridden_and_added",
    [
        "import builtins\nplain_print = builtins.print\nlines = []\ndef loud(*a, **k):\n    lines.append(a)\n    plain_print(*a, **k)\nbuiltins.print = loud\nbuiltins.helper = lambda x: x + 1\nbuiltins.SETTING = {'a': 1}",
        "print('hi')\nr = helper(1)\nSETTING['b'] = 2",
    ],
    [
        "lines[0] == ('hi',) and r == 2",
        "helper(5) == 6 and SETTING == {'a': 1, 'b': 2}",
        "(print('again'), lines[-1] == ('again',))[1] and builtins.print is loud",
        "plain_print is not loud and type(plain_print).__name__ == 'builtin_function_or_method'",
    ],
)

case(
    "modules_of_the_library_patched",
    [
        "import math, textwrap\nreal = textwrap.dedent\ndef dedent(text):\n    return 'patched ' + real(text)\ntextwrap.dedent = dedent\nmath.golden = 1.618\ntextwrap.TextWrapper.extra = lambda self: self.width\ntextwrap.settings = [1]",
        "textwrap.settings.append(2)\ns = textwrap.dedent(' a')\nsetattr(math, 'silver', 2.414)",
    ],
    [
        "s == 'patched a' and textwrap.dedent(' b') == 'patched b'",
        "math.golden == 1.618 and math.silver == 2.414",
        "textwrap.TextWrapper(width=5).extra() == 5 and textwrap.settings == [1, 2]",
        "real(' c') == 'c'",
    ],
)

case(
    "patched_inside_functions_and_with_mock",
    [
        "import statistics, string\nfrom unittest import mock\ndef install():\n    statistics.mean = lambda data: 'mean'\n    string.mine = 'm'\ninstall()",
        "patcher = mock.patch('statistics.median', return_value='mock')\npatcher.start();",
        "a = statistics.mean([1]), statistics.median([1])",
    ],
    [
        "a == ('mean', 'mock')",
        "statistics.mean([3]) == 'mean' and string.mine == 'm'",
        "statistics.median([1]) == 'mock'",
    ],
)

case(
    "attributes_of_modules_deleted",
    ["import string\nkept = string.hexdigits\ndel string.hexdigits", "x = 1"],
    ["kept[0] == '0'", "not hasattr(__import__('string'), 'hexdigits')"],
)

case(
    "classes_of_the_library_patched",
    [
        "import collections, fractions\ndef total(self):\n    return sum(self.values())\ncollections.Counter.grand = total\nfractions.Fraction.half = property(lambda self: self / 2)\nold_repr = fractions.Fraction.__repr__\nfractions.Fraction.__repr__ = lambda self: f'<{self.numerator}/{self.denominator}>'",
        "c = collections.Counter('abca')\nt = c.grand()\nf = fractions.Fraction(1, 3)",
    ],
    ["t == 4 and c.grand() == 4", "f.half == fractions.Fraction(1, 6)", "repr(f) == '<1/3>'"],
)

case(
    "exception_hooks",
    [
        "import sys, threading\nseen = []\ndef hook(kind, value, tb):\n    seen.append(kind.__name__)\nsys.excepthook = hook\nsys.unraisablehook = lambda info: seen.append('unraisable')\nthreading.excepthook = lambda args: seen.append('thread')",
        "t = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
    ],
    [
        "seen == ['thread']",
        "threading.excepthook.__name__ == '<lambda>' and sys.unraisablehook.__name__ == '<lambda>'",
    ],
)

case(
    "trace_and_profile_functions",
    [
        "import sys\ncalls = []\ndef watch(frame, event, arg):\n    if frame.f_code.co_name == 'target':\n        calls.append(event)\nsys.setprofile(watch)\ndef target():\n    return 1",
        "target()\nn = len(calls)",
    ],
    ["n >= 2", "sys.getprofile() is watch", "(target(), len(calls) > n)[1]"],
)

case(
    "functions_at_exit",
    [
        "import atexit\nlog = []\ndef bye():\n    log.append('bye')\natexit.register(bye)",
        "y = 1",
    ],
    ["log == [] and y == 1", "(a := atexit._ncallbacks(), atexit.unregister(bye), atexit._ncallbacks() < a)[2]"],
)

case(
    "a_codec_of_the_user",
    [
        "import codecs\ndef encode(text, errors='strict'):\n    return text[::-1].encode(), len(text)\ndef decode(data, errors='strict'):\n    return bytes(data).decode()[::-1], len(data)\ndef find(name):\n    if name == 'backwards':\n        return codecs.CodecInfo(encode, decode, name='backwards')\ncodecs.register(find)\ncodecs.register_error('star', lambda e: ('*', e.end))",
        "data = 'abc'.encode('backwards')\nstarred = 'aéb'.encode('ascii', 'star')",
    ],
    [
        "data == b'cba' and starred == b'a*b'",
        "'xyz'.encode('backwards') == b'zyx'",
        "'é'.encode('ascii', 'star') == b'*'",
    ],
)

case(
    "ways_to_pickle_and_copy",
    [
        "import copyreg, copy, pickle\nclass Odd:\n    def __init__(self, v): self.v = v\ndef reduce_odd(o):\n    return Odd, (o.v + 100,)\ncopyreg.pickle(Odd, reduce_odd)",
        "o = Odd(1)\nc = copy.copy(o)",
    ],
    ["o.v == 1 and c.v == 101", "copyreg.dispatch_table[Odd] is reduce_odd", "copy.copy(o).v == 101"],
)

case(
    "settings_of_the_interpreter",
    [
        "import sys, gc, socket, os\ngc.disable()\ngc.set_threshold(500, 5, 5)\nsys.setrecursionlimit(5000)\nsys.set_int_max_str_digits(0)\nsocket.setdefaulttimeout(7.5)\nold_mask = os.umask(0o027)\nsys.dont_write_bytecode = True\nsys.argv = ['prog', '--flag']",
        "huge = 10 ** 6000\nn = len(str(huge))",
    ],
    [
        "n == 6001",
        "not gc.isenabled() and gc.get_threshold()[0] == 500",
        "sys.getrecursionlimit() == 5000 and sys.get_int_max_str_digits() == 0 and len(str(huge)) == 6001",
        "socket.getdefaulttimeout() == 7.5",
        "(m := os.umask(0o027)) == 0o027",
        "sys.dont_write_bytecode is True and sys.argv == ['prog', '--flag']",
    ],
    since=(3, 11),
)

case(
    "decimal_locale_and_warnings",
    [
        "import decimal, locale, warnings\ndecimal.getcontext().prec = 6\ndecimal.getcontext().rounding = decimal.ROUND_DOWN\ndecimal.getcontext().traps[decimal.Inexact] = False\nlocale.setlocale(locale.LC_ALL, 'C.UTF-8')\nwarnings.filterwarnings('error', message='.*bad.*', category=UserWarning)\nclass Own(UserWarning): pass\nwarnings.simplefilter('ignore', Own)",
        "third = decimal.Decimal(2) / 3",
    ],
    [
        "str(third) == '0.666666' and str(decimal.Decimal(2) / 3) == '0.666666'",
        "locale.setlocale(locale.LC_ALL) == 'C.UTF-8'",
        "[f[0] for f in warnings.filters if f[2] is Own] == ['ignore']",
        "any(f[0] == 'error' and f[1] and f[1].pattern == '.*bad.*' for f in warnings.filters)",
    ],
)

case(
    "logging_of_every_kind",
    [
        "import logging, io\nclass Memory(logging.Handler):\n    def __init__(self):\n        super().__init__()\n        self.lines = []\n    def emit(self, record):\n        self.lines.append(self.format(record))\nlog = logging.getLogger('app.sub')\nlog.setLevel(logging.DEBUG)\nmem = Memory()\nmem.setFormatter(logging.Formatter('%(levelname)s:%(message)s'))\nlog.addHandler(mem)\nlog.propagate = False\nfh = logging.FileHandler('app.log')\nlogging.getLogger('app').addHandler(fh)\nclass Loud(logging.Filter):\n    def filter(self, r): return 'quiet' not in r.getMessage()\nlog.addFilter(Loud())\nlogging.addLevelName(25, 'NOTE')",
        "log.info('first')\nlog.info('quiet one')\nlogging.getLogger('app').warning('to file')",
    ],
    [
        "mem.lines == ['INFO:first'] and log.handlers == [mem]",
        "(log.log(25, 'second'), mem.lines[-1] == 'NOTE:second')[1]",
        "(log.info('quiet'), mem.lines[-1] == 'NOTE:second')[1]",
        "open('app.log').read() == 'to file\\n'",
        "logging.getLogger('app').handlers == [fh]",
        "(logging.getLogger('app').warning('more'), open('app.log').read() == 'to file\\nmore\\n')[1]",
    ],
)

case(
    "environment_of_children",
    [
        "import os, subprocess, sys\nos.environ['MINE'] = 'a=b'\nos.environ.pop('LANG', None)\nos.makedirs('deep/er')\nos.chdir('deep')\nsys.path.insert(0, 'er')",
        "out = subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"MINE\"], os.path.basename(os.getcwd()))'], capture_output=True, text=True).stdout",
    ],
    [
        "out == 'a=b deep\\n' and os.environ['MINE'] == 'a=b' and 'LANG' not in os.environ",
        "os.getcwd().endswith('deep') and sys.path[0] == 'er' and os.listdir('.') == ['er']",
    ],
)

case(
    "context_variables_set",
    [
        "import contextvars\nuser = contextvars.ContextVar('user', default='nobody')\nbare = contextvars.ContextVar('bare')\ntoken = user.set('ann')\nctx = contextvars.copy_context()",
        "def who():\n    return user.get()\nseen = who()\nctx.run(user.set, 'bob');",
    ],
    ["seen == 'ann'", "who() == 'ann'", "ctx.run(who) == 'bob'"],
    may_lose=("token", "ctx"),
)

case(
    "random_streams_go_on",
    [
        "import random, time\nrandom.seed(5)\nown = random.Random(7)\nowned = [own.random() for _ in range(3)]\nfirst = random.random()\nnormal = random.gauss(0, 1)",
        "unseeded = random.Random()\nu = unseeded.random()\nstate = random.getstate()",
    ],
    [
        "first == $first$ and u == $u$",
        "random.gauss(0, 1) == $g$",
        "own.random() == $own$",
        "unseeded.random() == $un$",
    ],
    capture={
        "first": "first",
        "u": "u",
        "g": "(lambda r: (r.setstate(random.getstate()), r.gauss(0, 1))[1])(random.Random())",
        "own": "(lambda r: (r.setstate(own.getstate()), r.random())[1])(random.Random())",
        "un": "(lambda r: (r.setstate(unseeded.getstate()), r.random())[1])(random.Random())",
    },
)

case(
    "import_machinery",
    [
        "import sys, types, importlib.abc, importlib.machinery\nclass Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n    def find_spec(self, name, path, target=None):\n        if name == 'made_up':\n            return importlib.machinery.ModuleSpec(name, self)\n    def create_module(self, spec): return None\n    def exec_module(self, module): module.value = 42\nsys.meta_path.append(Finder())",
        "import made_up\nv = made_up.value",
    ],
    ["v == 42 and made_up.value == 42", "any(type(f).__name__ == 'Finder' for f in sys.meta_path)"],
)

case(
    "streams_kept_by_cells_that_run_again",
    [
        "import sys, logging\nhandler = logging.StreamHandler()\nlogger = logging.getLogger('again'); logger.addHandler(handler)\nwhere = [sys.stdout]\ngen = (i for i in range(3))\nprint('shown once')\ndisplay('x', display_id='one');",
        "first = next(gen)\nenc = sys.stdout.encoding",
    ],
    [
        "first == 0 and list(gen) == [1, 2]",
        "handler.stream is sys.stderr and where[0] is sys.stdout",
        "enc == sys.stdout.encoding",
        "logging.getLogger('again').handlers == [handler]",
    ],
)
