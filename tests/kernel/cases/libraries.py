# ruff: noqa: E501 - the cells are written as a user writes them
"""Libraries of data science: what they hold beside plain data, and what they share."""

from . import case

case(
    "polars_frames_lazy_and_shared",
    [
        "import polars as pl\nimport datetime as dt\ndf = pl.DataFrame({'a': [1, 2, None], 'b': ['x', 'ü', None], 'd': [dt.date(2020, 1, 1)] * 3, 'l': [[1], [], None], 's': [{'k': 1}, {'k': 2}, None], 'c': pl.Series(['u', 'v', 'u'], dtype=pl.Categorical)})\nlazy = df.lazy().filter(pl.col('a') > 1).select((pl.col('a') * 2).alias('twice'))",
        "same = df\ns = df['a']\ngrouped = df.group_by('c', maintain_order=True)\nexpr = pl.col('a').sum() + 1\nschema = df.schema",
        "df = df.with_columns(pl.lit(7).alias('n'))\nclone = df.clone()\nempty = pl.DataFrame(schema={'q': pl.Int8, 'z': pl.Datetime('us', 'UTC')})\nenum = pl.Series(['lo', 'hi'], dtype=pl.Enum(['lo', 'hi']))",
    ],
    [
        "df.columns == ['a', 'b', 'd', 'l', 's', 'c', 'n'] and same.columns == ['a', 'b', 'd', 'l', 's', 'c']",
        "same is not df and lazy.collect()['twice'].to_list() == [4]",
        "df['l'].to_list() == [[1], [], None] and df['c'].dtype == pl.Categorical and df['c'].to_list() == ['u', 'v', 'u']",
        "s.to_list() == [1, 2, None] and s.name == 'a'",
        "df.select(expr).item() == 4 and list(schema) == same.columns",
        "clone.equals(df) and empty.schema == {'q': pl.Int8, 'z': pl.Datetime('us', 'UTC')} and enum.dtype == pl.Enum(['lo', 'hi'])",
        "grouped.agg(pl.len())['len'].to_list() == [2, 1]",
    ],
    needs="polars",
)

case(
    "polars_expressions_with_functions_and_contexts",
    [
        "import polars as pl\nfactor = 3\ndef times(x):\n    return x * factor\ndf = pl.DataFrame({'a': [1, 2]})\nout = df.select(pl.col('a').map_elements(times, return_dtype=pl.Int64))\nctx = pl.SQLContext(t=df)\nfound = ctx.execute('select sum(a) as s from t', eager=True)",
        "pl.Config.set_tbl_rows(3)\nlist_of = [df, df]\nframe_in = {'x': (df, out)}",
        "factor = 5\nout2 = df.select(pl.col('a').map_elements(times, return_dtype=pl.Int64))",
    ],
    [
        "out['a'].to_list() == [3, 6] and out2['a'].to_list() == [5, 10] and found.item() == 3",
        "list_of[0] is list_of[1] is df and frame_in['x'][1] is out",
        "df.select(pl.col('a').map_elements(times, return_dtype=pl.Int64))['a'].to_list() == [5, 10]",
        "__import__('os').environ.get('POLARS_FMT_MAX_ROWS') == '3'",
    ],
    needs="polars",
    may_lose=("ctx",),
)

case(
    "arrow_tables_slices_and_dictionaries",
    [
        "import pyarrow as pa, pyarrow.compute as pc\nt = pa.table({'a': list(range(1000)), 'b': [str(i % 3) for i in range(1000)]})\nsl = t.slice(10, 5)\nd = t['b'].dictionary_encode()\nschema = pa.schema([pa.field('x', pa.int8(), metadata={'k': 'v'})], metadata={'m': 'n'})",
        "batch = sl.to_batches()[0]\nbuf = pa.py_buffer(b'hello')\nscal = pa.scalar(3.5)\nfiltered = t.filter(pc.greater(t['a'], 997))\nst = pa.array([{'p': 1}, None])\nimport io\nsink = pa.BufferOutputStream()\nwith pa.ipc.new_stream(sink, t.schema) as w:\n    w.write_table(sl)\nstored = sink.getvalue()",
        "import numpy as np\nnp_view = t['a'].chunk(0).to_numpy()\nreader = pa.ipc.open_stream(stored)",
    ],
    [
        "sl['a'].to_pylist() == [10, 11, 12, 13, 14] and sl.num_rows == 5 and batch.num_rows == 5",
        "len(d.chunk(0).dictionary) == 3 and schema.field('x').metadata == {b'k': b'v'} and schema.metadata == {b'm': b'n'}",
        "buf.to_pybytes() == b'hello' and scal.as_py() == 3.5 and filtered['a'].to_pylist() == [998, 999] and st.to_pylist() == [{'p': 1}, None]",
        "not np_view.flags.writeable and int(np_view[3]) == 3",
        "reader.read_all()['a'].to_pylist() == [10, 11, 12, 13, 14]",
    ],
    needs="pyarrow numpy",
    may_lose=("sink", "w", "reader"),
)

case(
    "scipy_sparse_of_every_format",
    [
        "import numpy as np, scipy.sparse as sp\nm = sp.random(50, 50, density=0.1, format='csr', random_state=1)\ndata = m.data\nlil = m.tolil()\ncoo = m.tocoo()\ndok = sp.dok_matrix((3, 3)); dok[0, 1] = 5\nblock = sp.block_diag([sp.eye(2), sp.eye(3)], format='csc')\narr = sp.csr_array(np.eye(3))",
        "data[:] = 2.0\nlil[0, 0] = 9\nbefore = float(m.sum())",
        "arr.data[0] = 7\nview = arr.indices\nop = __import__('scipy.sparse.linalg', fromlist=['x']).aslinearoperator(arr)",
    ],
    [
        "m.data is not None and before == 2.0 * m.nnz == float(m.sum())",
        "(data.__setitem__(0, 100.0), float(m.sum()) == before + 98.0)[1]",
        "lil[0, 0] == 9 and dok[0, 1] == 5 and block.shape == (5, 5) and arr[0, 0] == 7",
        "np.shares_memory(view, arr.indices) and float((op @ np.ones(3))[0]) == 7.0",
    ],
    needs="scipy numpy",
)

case(
    "scipy_objects_that_compute",
    [
        "import numpy as np\nfrom scipy import interpolate, stats, optimize, spatial, signal, integrate\nx = np.linspace(0, 1, 9)\nspl = interpolate.CubicSpline(x, x**2)\nf = interpolate.interp1d(x, x)\ndist = stats.norm(loc=2)\nres = optimize.minimize(lambda v: (v[0] - 3) ** 2, [0.0])\ntree = spatial.KDTree(np.arange(8.0).reshape(4, 2))\nhull = spatial.ConvexHull(np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]))",
        "rot = spatial.transform.Rotation.from_euler('z', 90, degrees=True)\nsos = signal.butter(2, 0.3, output='sos')\nkde = stats.gaussian_kde(x)\nsolver = integrate.RK45(lambda t, y: -y, 0, [1.0], 5)\nfor _ in range(3):\n    solver.step()",
        "at = float(solver.t), float(solver.y[0])",
    ],
    [
        "abs(float(spl(0.5)) - 0.25) < 1e-9 and float(f(0.25)) == 0.25 and dist.mean() == 2.0 and abs(res.x[0] - 3) < 1e-4",
        "tree.query([0.0, 1.0])[1] == 0 and abs(hull.volume - 1) < 1e-9",
        "np.allclose(rot.apply([1, 0, 0]), [0, 1, 0]) and sos.shape == (1, 6) and kde(0.5)[0] > 0",
        "solver.t == at[0] and solver.y[0] == at[1] and (solver.step(), solver.t > at[0])[1]",
    ],
    needs="scipy numpy",
    may_lose=("hull",),
)

case(
    "sklearn_pipelines_share_their_steps",
    [
        "import numpy as np\nfrom sklearn.pipeline import Pipeline, FeatureUnion\nfrom sklearn.preprocessing import StandardScaler, FunctionTransformer\nfrom sklearn.linear_model import LogisticRegression\nfrom sklearn.base import BaseEstimator, TransformerMixin\nrng = np.random.default_rng(0)\nX = rng.normal(size=(80, 3)); y = (X[:, 0] > 0).astype(int)\nclass Shift(BaseEstimator, TransformerMixin):\n    def __init__(self, by=1):\n        self.by = by\n    def fit(self, X, y=None):\n        self.seen_ = len(X)\n        return self\n    def transform(self, X):\n        return X + self.by\nscaler = StandardScaler()\npipe = Pipeline([('shift', Shift(2)), ('scale', scaler), ('f', FunctionTransformer(lambda a: a * 2)), ('clf', LogisticRegression())])",
        "pipe.fit(X, y)\nmean = scaler.mean_\nproba = pipe.predict_proba(X[:3])",
        "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.model_selection import GridSearchCV\nforest = RandomForestClassifier(5, random_state=np.random.RandomState(3)).fit(X, y)\ngrid = GridSearchCV(LogisticRegression(), {'C': [0.1, 1.0]}, cv=3).fit(X, y)\ntree0 = forest.estimators_[0]",
    ],
    [
        "pipe.named_steps['scale'] is scaler and scaler.mean_ is mean and pipe.named_steps['shift'].seen_ == 80",
        "np.array_equal(pipe.predict_proba(X[:3]), proba) and isinstance(pipe.steps[0][1], Shift)",
        "forest.estimators_[0] is tree0 and tree0.tree_.node_count > 1 and grid.best_params_['C'] in (0.1, 1.0)",
        "np.array_equal(forest.predict(X), forest.predict(X.copy()))",
    ],
    needs="sklearn numpy",
)

case(
    "boosters_of_xgboost_and_lightgbm",
    [
        "import numpy as np, xgboost as xgb\nrng = np.random.default_rng(0)\nX = rng.normal(size=(200, 4)); y = X[:, 0] * 2 + X[:, 1]\nd = xgb.DMatrix(X, label=y)\nbst = xgb.train({'max_depth': 2, 'verbosity': 0, 'nthread': 1}, d, 5)\nbst.set_attr(who='me')",
        "import lightgbm as lgb\nlb = lgb.train({'verbosity': -1, 'num_threads': 1, 'min_data_in_leaf': 5}, lgb.Dataset(X, y), 5)\nskl = xgb.XGBRegressor(n_estimators=4, max_depth=2, n_jobs=1).fit(X, y)\nheld = {'model': skl, 'booster': bst}",
        "p1 = bst.predict(xgb.DMatrix(X[:5])); p2 = lb.predict(X[:5]); p3 = skl.predict(X[:5])",
    ],
    [
        "np.array_equal(bst.predict(xgb.DMatrix(X[:5])), p1) and bst.attr('who') == 'me'",
        "np.allclose(lb.predict(X[:5]), p2) and np.array_equal(skl.predict(X[:5]), p3)",
        "held['model'] is skl and held['booster'] is bst and d.num_row() == 200",
    ],
    needs="xgboost lightgbm numpy",
    may_lose=("d",),
)

case(
    "torch_module_optimiser_scheduler_and_generator",
    [
        "import torch\ntorch.manual_seed(3)\nclass Net(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.emb = torch.nn.Embedding(7, 4)\n        self.out = torch.nn.Linear(4, 7, bias=False)\n        self.out.weight = self.emb.weight\n        self.register_buffer('steps', torch.zeros(1))\n    def forward(self, x):\n        self.steps += 1\n        return self.out(self.emb(x))\nnet = Net()\nopt = torch.optim.Adam(net.parameters(), lr=0.1)\nsched = torch.optim.lr_scheduler.StepLR(opt, 2, 0.5)\ngen = torch.Generator().manual_seed(5)",
        "def step():\n    opt.zero_grad()\n    x = torch.randint(0, 7, (5,), generator=gen)\n    loss = net(x).pow(2).mean()\n    loss.backward()\n    opt.step(); sched.step()\n    return float(loss.detach())\nlosses = [step() for _ in range(3)]",
        "w = net.emb.weight\ngrad = w.grad\nsnapshot = {k: v for k, v in net.state_dict().items()}",
        "import copy\ntwin_net, twin_opt, twin_gen = copy.deepcopy(net), opt.state_dict(), gen.get_state()",
    ],
    [
        "net.out.weight is net.emb.weight is w is opt.param_groups[0]['params'][0] and w.grad is grad",
        "sched.optimizer is opt and opt.param_groups[0]['lr'] == 0.05 and float(net.steps) == 3",
        "snapshot['emb.weight'].data_ptr() == w.data_ptr()",
        "opt.state[w]['step'] == 3 and len(list(net.parameters())) == 1",
        "(losses.append(step()), losses[-1] == losses[-1] and len(losses) == 4 and float(net.steps) == 4)[1] and not torch.equal(twin_net.emb.weight, w)",
    ],
    needs="torch",
)

case(
    "figures_half_drawn",
    [
        "%matplotlib inline\nimport matplotlib.pyplot as plt, numpy as np\nplt.rcParams['figure.figsize'] = (3, 2)\nfig, (ax1, ax2) = plt.subplots(1, 2, sharex=True)\nline, = ax1.plot([1, 2, 3], label='l')\nax1.legend()",
        "ax2.hist([1, 1, 2], bins=2)\nim = ax2.imshow(np.eye(2)) if False else None\nann = ax1.annotate('here', (1, 2))\ncm = plt.get_cmap('viridis')\nax1.axhline(2, color='r')",
        "line.set_ydata([5, 6, 7])\nfig.suptitle('t')\nplt.close('all')",
    ],
    [
        "list(line.get_ydata()) == [5, 6, 7] and ax1.lines[0] is line and ax1.figure is fig and fig.axes == [ax1, ax2]",
        "len(ax1.lines) == 2 and ann in ax1.texts and fig._suptitle.get_text() == 't' and ax1.get_legend() is not None",
        "(fig.canvas.draw(), True)[1] and list(plt.rcParams['figure.figsize']) == [3.0, 2.0] and cm.name == 'viridis'",
        "(ax1.set_xlim(0, 9), ax2.get_xlim() == (0.0, 9.0))[1]",
        "plt.get_fignums() == []",
    ],
    needs="matplotlib matplotlib_inline numpy",
)

case(
    "current_figure_goes_on",
    [
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);",
        "plt.title('kept');\nax = plt.gca()",
        "n = len(plt.get_fignums())",
    ],
    [
        "n == 1 and plt.get_fignums() == [1] and plt.gca() is ax and plt.gca().get_title() == 'kept'",
        "len(plt.gca().lines) == 1 and matplotlib.get_backend().lower() == 'agg'",
    ],
    needs="matplotlib",
)

case(
    "figures_that_pyplot_keeps",
    [
        "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nplt.figure(3)\nplt.plot([1, 2, 3])\nplt.title('T')",
        "plt.figure(7)\nplt.bar(['a', 'b'], [3, 4])",
        "fig, axs = plt.subplots(1, 2)\naxs[0].scatter([1, 2], [3, 4])\nclosed = plt.figure(); plt.close(closed)",
        "plt.figure(7)\naxs[1].set_xlabel('v');",
    ],
    [
        "plt.get_fignums() == [3, 7, 8] and plt.gcf().number == 7 and len(plt.gca().patches) == 2",
        "axs[0].figure is fig and axs[1].get_xlabel() == 'v' and len(axs[0].collections) == 1",
        "(plt.figure(8) is fig, plt.figure(3) is not fig, plt.gca().get_title()) == (True, True, 'T')",
        "len(plt.gca().lines) == 1 and matplotlib.get_backend().lower() == 'agg'",
        "(plt.close('all'), plt.get_fignums())[1] == [] and closed.axes == []",
    ],
    needs="matplotlib",
)

case(
    "graphs_of_networkx",
    [
        "import networkx as nx\nG = nx.Graph()\nG.add_edge('a', 'b', weight=2)\nG.add_node('c', data=[1])\nG.graph['name'] = 'g'\nsub = G.subgraph(['a', 'b'])\nadj = G.adj['a']\nnodes = G.nodes",
        "D = nx.DiGraph(G)\nattr = G.nodes['c']\nattr['data'].append(2)\nattr['new'] = True\nG.add_edge('b', 'c')\nview = nx.reverse_view(D)\nwalk = nx.dfs_edges(G, 'a')\nfirst = next(walk)",
        "M = nx.MultiDiGraph(); key = M.add_edge(1, 1, k='loop'); T = nx.balanced_tree(2, 2)\npos = nx.circular_layout(T)",
    ],
    [
        "G.nodes['c'] == {'data': [1, 2], 'new': True} and G.nodes['c'] is attr and D.nodes['c']['data'] is attr['data']",
        "set(sub.edges) == {('a', 'b')} and adj is not None and dict(adj) == {'b': {'weight': 2}}",
        "(G.add_edge('a', 'z'), 'z' in adj and 'z' in nodes)[1]",
        "M[1][1][0] == {'k': 'loop'} and len(pos) == 7 and set(view.edges) == {(b, a) for a, b in D.edges}",
        "first == ('a', 'b') and next(walk) == ('b', 'c')",
    ],
    needs="networkx",
    may_lose=("walk",),
)

case(
    "xarray_datasets_share_and_lazy",
    [
        "import xarray as xr, numpy as np, pandas as pd\nbase = np.arange(12.0).reshape(3, 4)\nda = xr.DataArray(base, dims=('x', 'y'), coords={'x': [10, 20, 30], 't': ('x', pd.date_range('2020', periods=3))}, attrs={'u': 'm'}, name='v')\nds = xr.Dataset({'v': da, 'w': ('y', np.ones(4))})",
        "base[0, 0] = 99\npart = da.isel(x=0)\ngrouped = da.groupby('x')\nroll = da.rolling(y=2).mean()\nds.attrs['note'] = ['a']",
        "before = float(da.sum()), float(ds['v'].sum())",
    ],
    [
        "float(da[0, 0]) == 99.0 and float(part[0]) == 99.0 and before == (float(da.sum()), float(ds['v'].sum()))",
        "(base.__setitem__((0, 1), -5.0), float(da[0, 1]) == -5.0 and float(part[1]) == -5.0)[1]",
        "ds.attrs['note'] == ['a'] and da.attrs == {'u': 'm'} and da.name == 'v' and str(ds['t'].dtype).startswith('datetime64')",
        "list(grouped.groups) == [10, 20, 30] and roll.shape == (3, 4)",
    ],
    needs="xarray numpy pandas",
)

case(
    "hdf5_files_open_and_closed",
    [
        "import h5py, numpy as np\nwith h5py.File('f.h5', 'w') as h:\n    h['a'] = np.arange(5)\n    h.create_group('g').attrs['k'] = 'v'\ndone = 1",
        "r = h5py.File('f.h5', 'r')\nds = r['a']\nvals = ds[:3]\ngroup = r['g']",
    ],
    ["vals.tolist() == [0, 1, 2] and done == 1", "r['a'][4] == 4 and ds[1] == 1 and group.attrs['k'] == 'v'", "not h"],
    needs="h5py numpy",
    may_lose=("r", "ds", "group", "h"),
)

case(
    "images_of_pillow",
    [
        "from PIL import Image, ImageDraw, ImageFont\nimport io\nimg = Image.new('RGB', (8, 8), 'red')\nimg.info['k'] = 'v'\ndraw = ImageDraw.Draw(img)\npal = img.convert('P')",
        "draw.line((0, 0, 7, 7), fill='blue')\nbuf = io.BytesIO(); img.save(buf, 'PNG'); buf.seek(0)\nlazy = Image.open(buf)\nsame = [img, img]",
        "img.save('x.png')\nopened = Image.open('x.png')\npx = img.load()",
    ],
    [
        "img.getpixel((3, 3)) == (0, 0, 255) and img.info['k'] == 'v' and same[0] is same[1] is img and pal.mode == 'P'",
        "(draw.point((0, 7), fill='white'), img.getpixel((0, 7)) == (255, 255, 255))[1]",
        "lazy.size == (8, 8) and lazy.getpixel((3, 3)) == (0, 0, 255) and opened.getpixel((3, 3)) == (0, 0, 255)",
    ],
    needs="PIL",
    may_lose=("draw", "lazy", "opened", "px"),
)

case(
    "widgets_linked_and_observed",
    [
        "import ipywidgets as w\nseen = []\ns = w.IntSlider(value=3, description='n')\ns.observe(lambda change: seen.append(change['new']), 'value')\nbox = w.VBox([s, w.Label('x')])",
        "s.value = 5\nout = w.Output()\nwith out:\n    print('in it')\nlink = w.link((s, 'value'), (w.IntText(), 'value'))",
        "n = len(seen)",
    ],
    [
        "seen[:1] == [5] and n == 1",
        "s.value == 5 and box.children[0] is s",
        "(setattr(s, 'value', 9), seen == [5, 9])[1]",
    ],
    needs="ipywidgets",
    may_lose=("s", "box", "out", "link", "change"),
)

case(
    "sympy_symbols_and_functions",
    [
        "import sympy as sy\nx, y = sy.symbols('x y', positive=True)\nf = sy.Function('f')\nexpr = (x + y) ** 2\nm = sy.Matrix([[x, 1], [0, y]])\nd = sy.Dummy('d')\ne2 = d + x",
        "lam = sy.lambdify((x, y), expr)\nsol = sy.solve(x**2 - 2, x)\nsub = expr.subs(x, 1)\nm[0, 1] = 5\nwild = sy.Wild('w')",
    ],
    [
        "expr.expand() == x**2 + 2*x*y + y**2 and x.is_positive and sy.Symbol('x', positive=True) == x and sy.Symbol('x') != x",
        "lam(1, 2) == 9 and sol == [sy.sqrt(2)] and sub == (1 + y) ** 2 and m[0, 1] == 5 and f(x).diff(x).args[0] == f(x)",
        "e2 - x == d and sy.Dummy('d') != d",
    ],
    needs="sympy",
)

case(
    "frames_that_hold_models_and_arrays",
    [
        "import pandas as pd, numpy as np, torch\nmodel = torch.nn.Linear(2, 1)\ndf = pd.DataFrame({'m': [model, None], 'arr': [np.zeros(3), np.ones(3)]}, dtype=object)\narr = df.loc[0, 'arr']",
        "arr[0] = 5\nview = torch.from_numpy(arr)\nreg = {id(model): 'x', 'm': model}",
        "view[1] = 7\nwith torch.no_grad():\n    model.bias.fill_(3.0)",
    ],
    [
        "df.loc[0, 'm'] is model is reg['m'] and float(model.bias) == 3.0",
        "df.loc[0, 'arr'] is arr and arr.tolist() == [5.0, 7.0, 0.0]",
        "(view.__setitem__(2, 9.0), arr[2] == 9.0)[1]",
    ],
    needs="pandas numpy torch",
)
