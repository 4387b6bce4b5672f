# ruff: noqa: E501 - the cells are written as a user writes them
"""pandas: every dtype, what frames share, groups and windows, readers, options."""

from . import case

case(
    "frame_with_every_dtype",
    [
        """
import pandas as pd, numpy as np
df = pd.DataFrame({
    "i": [1, 2, 3], "f": [1.5, np.nan, 3.0], "s": ["a", None, "c"], "o": [{"k": 1}, [2], None],
    "b": [True, False, True], "d": pd.date_range("2024-01-01", periods=3),
    "tz": pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin"), "td": pd.to_timedelta([1, 2, 3], unit="h"),
})
df["I"] = pd.array([1, None, 3], dtype="Int64")
df["B"] = pd.array([True, None, False], dtype="boolean")
df["F"] = pd.array([1.5, None, 2.5], dtype="Float64")
df["S"] = pd.array(["x", None, "z"], dtype="string")
df["c"] = pd.Categorical(["lo", "hi", "lo"], categories=["lo", "mid", "hi"], ordered=True)
df["p"] = pd.period_range("2024-01", periods=3, freq="M")
df["iv"] = pd.interval_range(0, 3)
df["sp"] = pd.arrays.SparseArray([0, 0, 5])
before = df.dtypes.astype(str).tolist()
""",
        "df.loc[0, 'I'] = 7\ndf['o'].iloc[1].append(3)\ndf['c'] = df['c'].cat.add_categories('top')",
    ],
    [
        "df.dtypes.astype(str).tolist() == $dtypes$ and df['I'].tolist()[0] == 7 and df['I'].isna()[1]",
        "df['o'][1] == [2, 3] and df['o'][0] == {'k': 1} and df['s'].isna()[1]",
        "df['c'].cat.ordered and list(df['c'].cat.categories) == ['lo', 'mid', 'hi', 'top'] and df['c'].max() == 'hi'",
        "str(df['tz'].dt.tz) == 'Europe/Berlin' and df['tz'].dt.hour.tolist() == [0, 0, 0]",
        "df['p'][2].strftime('%Y-%m') == '2024-03' and 0.5 in df['iv'][0] and df['sp'].sparse.density < 0.5",
        "df['td'].sum() == pd.Timedelta('6h') and df['S'].str.upper()[2] == 'Z' and df['F'].sum() == 4.0 and df['B'].isna()[1]",
    ],
    "pandas",
    capture={"dtypes": "df.dtypes.astype(str).tolist()"},
)

case(
    "frame_with_arrow_dtypes",
    [
        "import pandas as pd, pyarrow as pa\ndf = pd.DataFrame({'s': pd.array(['a', None, 'c'], dtype='string[pyarrow]'), 'i': pd.array([1, None, 3], dtype='int64[pyarrow]'), 'l': pd.array([[1], [2, 3], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))})\nts = pd.Series(pd.date_range('2024', periods=2, tz='UTC')).astype('timestamp[ns, tz=UTC][pyarrow]')\ndic = pd.Series(['x', 'y', 'x'], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))",
        "df.loc[1, 's'] = 'b'\ndf['i'] = df['i'].fillna(9)",
    ],
    [
        "df['s'].tolist() == ['a', 'b', 'c'] and df['i'].tolist() == [1, 9, 3]",
        "list(df['l'][1]) == [2, 3] and str(df.dtypes['l']) == 'list<item: int64>[pyarrow]' or 'list' in str(df.dtypes['l'])",
        "ts.dt.year.tolist() == [2024, 2024] and dic.tolist() == ['x', 'y', 'x'] and 'dictionary' in str(dic.dtype)",
        "str(df['s'].dtype) == $s$",
    ],
    "pandas pyarrow",
    capture={"s": "str(df['s'].dtype)"},
)

case(
    "frame_indexes_of_every_kind",
    [
        """
import pandas as pd, numpy as np
mi = pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["k", "n"])
m = pd.DataFrame({"v": range(4)}, index=mi)
wide = m.unstack("n")
dt = pd.Series(range(5), index=pd.date_range("2024-01-01", periods=5, freq="D"))
off = dt.index.freq
cat = pd.Series([1, 2], index=pd.CategoricalIndex(["x", "y"]))
iv = pd.Series([1, 2], index=pd.IntervalIndex.from_breaks([0, 1, 2]))
same = pd.DataFrame({"z": [1, 2]}, index=cat.index)
""",
        "m.loc[('a', 2), 'v'] = 50\ndt.index.name = 'day'\nm.index.names = ['K', 'N']",
    ],
    [
        "m.loc[('a', 2), 'v'] == 50 and m.index.names == ['K', 'N'] and wide.columns.nlevels == 2 and wide.columns.names == [None, 'n']",
        "dt.index.freq == off and dt.index.name == 'day' and dt['2024-01-02':'2024-01-03'].tolist() == [1, 2]",
        "iv[0.5] == 1 and cat['y'] == 2 and same.index is cat.index or same.index.equals(cat.index)",
        "m.xs('b', level='K')['v'].tolist() == [2, 3] and m.index.is_monotonic_increasing",
    ],
    "pandas",
)

case(
    "frame_attributes_flags_and_subclasses",
    [
        """
import pandas as pd
df = pd.DataFrame({"a": [1, 2]})
df.attrs["source"] = {"url": "x"}
df2 = df.set_flags(allows_duplicate_labels=False)
class Table(pd.DataFrame):
    _metadata = ["unit"]
    @property
    def _constructor(self):
        return Table
t = Table({"q": [1.0, 2.0]})
t.unit = "kg"
df.index.name = "row"
""",
        "df.attrs['source']['url'] = 'y'\nt.unit = 'g'\nhalf = t[t.q > 1]",
    ],
    [
        "df.attrs == {'source': {'url': 'y'}} and not df2.flags.allows_duplicate_labels and df.index.name == 'row'",
        "type(t) is Table and t.unit == 'g' and type(half) is Table and half.unit == 'g'",
        "type(t.copy()) is Table and t.copy().unit == 'g'",
    ],
    "pandas",
)

case(
    "frame_views_and_copies",
    [
        "import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': [1.0, 2, 3], 'b': [4.0, 5, 6]})\nalias = df\ncol = df['a']\narr = df['b'].to_numpy()\nboth = [df, col]\ncopied = df.copy()\nshallow = df.copy(deep=False)",
        "df.loc[0, 'a'] = 100\nalias['c'] = 1",
    ],
    [
        "alias is df and both[0] is df and both[1] is col and list(df.columns) == ['a', 'b', 'c']",
        "df['a'][0] == 100 and col[0] == $col$ and copied['a'][0] == 1 and shallow['a'][0] == $shallow$",
        "(df.__setitem__('a', 0.0), col[1] == 2)[1]",
        "(df.isetitem(1, df['b'] + 1), arr[0] == 4)[1]",
    ],
    "pandas",
    capture={"col": "float(col[0])", "shallow": "float(shallow['a'][0])"},
)

case(
    "frame_array_under_it_is_written",
    [
        "import pandas as pd, numpy as np, warnings\nbase = np.arange(6.0).reshape(3, 2)\ndf = pd.DataFrame(base, columns=['x', 'y'], copy=False)\ns = pd.Series(base[:, 0], copy=False)\nvalues = df.values",
        "base[0, 0] = 42",
    ],
    [
        "(df['x'][0], s[0]) == $now$ and base[0, 0] == 42",
        "(base.__setitem__((1, 0), 77), (df['x'][1] == 77) == $live$)[1]",
        "bool(values.flags.writeable) == $writeable$",
    ],
    "pandas",
    capture={
        "now": "(float(df['x'][0]), float(s[0]))",
        "live": "bool(np.shares_memory(base, df.values))",
        "writeable": "bool(values.flags.writeable)",
    },
)

case(
    "groupby_rolling_and_other_lazy_objects",
    [
        "import pandas as pd, numpy as np\ndf = pd.DataFrame({'g': list('abab'), 'v': [1, 2, 3, 4], 't': pd.date_range('2024', periods=4, freq='D')})\ngb = df.groupby('g')\ngv = gb['v']\nroll = df['v'].rolling(2)\nexp = df['v'].expanding()\new = df['v'].ewm(alpha=0.5)\nrs = df.set_index('t').resample('2D')\nit = df.itertuples()\nfirst = next(it)\nrows = df.iterrows()\nnext(rows)\nstrs = df['g'].str",
        "total = gv.sum()",
    ],
    [
        "total.tolist() == [4, 6] and gb.get_group('b')['v'].tolist() == [2, 4] and gv.mean()['a'] == 2",
        "roll.sum().tolist()[1:] == [3, 5, 7] and exp.max().tolist() == [1, 2, 3, 4] and round(ew.mean().iloc[-1], 2) == 3.27",
        "rs['v'].sum().tolist() == [3, 7] and first.v == 1 and type(first).__name__ == 'Pandas'",
        "next(it).v == 2",
        "next(rows)[1]['v'] == 2",
        "strs.upper().tolist() == list('ABAB') and gb.obj is df",
    ],
    "pandas",
    may_lose=("it", "rows"),
)

case(
    "reader_of_chunks_half_way",
    [
        "import pandas as pd\npd.DataFrame({'a': range(10)}).to_csv('c.csv', index=False)",
        "reader = pd.read_csv('c.csv', chunksize=3)\ntotal = next(reader)['a'].sum()",
        "total += next(reader)['a'].sum()",
    ],
    ["total == 15", "next(reader)['a'].tolist() == [6, 7, 8]"],
    "pandas",
    may_lose=("reader",),
)

case(
    "pandas_options_and_styler",
    [
        "import pandas as pd\npd.set_option('display.max_rows', 7)\npd.options.display.precision = 2\npd.options.display.float_format = '{:.1f}'.format\ndf = pd.DataFrame({'a': [1.234, 2.5]})\ndef red(v):\n    return 'color: red' if v > 2 else ''\nst = (df.style.map if hasattr(df.style, 'map') else df.style.applymap)(red).set_caption('Cap')",
        "text = str(df)",
    ],
    [
        "pd.get_option('display.max_rows') == 7 and pd.options.display.precision == 2 and '1.2' in text and '1.2' in str(df)",
        "'Cap' in st.to_html() and 'color: red' in st.to_html()",
    ],
    "pandas jinja2",
    may_lose=("st",),
)

case(
    "pandas_scalars_and_offsets",
    [
        "import pandas as pd, datetime as dt\nts = pd.Timestamp('2024-03-31 01:30', tz='Europe/Berlin')\ntd = pd.Timedelta('1D 2h')\nper = pd.Period('2024Q1')\niv = pd.Interval(0, 5, closed='left')\nnat, na = pd.NaT, pd.NA\noff = pd.offsets.BMonthEnd(2)\ncal = pd.tseries.offsets.CustomBusinessDay(holidays=['2024-01-02'])\ndr = pd.bdate_range('2024-01-01', periods=3, freq=cal)",
        "later = ts + pd.Timedelta('1h')",
    ],
    [
        "later.hour == 3 and ts.tz is not None and td.days == 1 and per.end_time.day == 31 and 0 in iv and 5 not in iv",
        "nat is pd.NaT and na is pd.NA and off.n == 2 and dr.tolist()[1].day == 3 and dr.freq == cal",
    ],
    "pandas",
)

case(
    "frame_changed_by_functions_and_in_place",
    [
        "import pandas as pd\ndf = pd.DataFrame({'a': [3, 1, 2], 'b': list('xyz')})\nreg = {'t': df}\ndef clean():\n    reg['t'].sort_values('a', inplace=True)\n    reg['t'].drop(columns='b', inplace=True)\nser = pd.Series([1, 2, 3])\nview = ser.iloc[1:]",
        "clean()\nser.iloc[1] = 20",
        "del df\ntop = reg['t'].head(1)",
    ],
    [
        "reg['t']['a'].tolist() == [1, 2, 3] and list(reg['t'].columns) == ['a'] and 'df' not in globals()",
        "view.tolist()[0] == $v$",
        "top['a'].tolist() == [1]",
    ],
    "pandas",
    capture={"v": "int(view.tolist()[0])"},
)

case(
    "sqlite_and_pandas",
    [
        "import sqlite3, pandas as pd\ncon = sqlite3.connect(':memory:')\npd.DataFrame({'k': [1, 2], 'v': ['a', 'b']}).to_sql('t', con, index=False)",
        "q = pd.read_sql('select * from t', con)\ncon.execute(\"insert into t values (3, 'c')\")\ncon.commit()",
        "chunks = pd.read_sql('select * from t', con, chunksize=2)\none = next(chunks)",
    ],
    [
        "len(q) == 2 and pd.read_sql('select count(*) c from t', con)['c'][0] == 3",
        "len(one) == 2",
        "next(chunks)['k'].tolist() == [3]",
    ],
    "pandas",
    may_lose=("chunks",),
)
