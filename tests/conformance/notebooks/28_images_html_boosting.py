# %%
import io, html, re, json
from html.parser import HTMLParser
import numpy as np, pandas as pd
from PIL import Image, ImageDraw
import xgboost as xgb, lightgbm as lgb
# %%
yy, xx = np.mgrid[:96, :128]
img = np.stack([xx * 2, yy * 2, (xx + yy) % 256], -1).astype(np.uint8)
pil = Image.fromarray(img)
draw = ImageDraw.Draw(pil)
draw.rectangle([10, 10, 40, 30], fill=(255, 0, 0))
arr = np.asarray(pil)
# %%
def blur(a, k=3):
    p = np.pad(a.astype(float), ((k, k), (k, k), (0, 0)), mode="edge")
    w = np.lib.stride_tricks.sliding_window_view(p, (2 * k + 1, 2 * k + 1), axis=(0, 1))
    return w.mean((-1, -2)).astype(np.uint8)
soft = blur(img)
red = img[..., 0]
tiles = [img[i:i + 32, j:j + 32] for i in range(0, 96, 32) for j in range(0, 128, 32)]
# %%
red[:5] = 255
tiles[3][0, 0] = (1, 2, 3)
buf = io.BytesIO()
pil.save(buf, "PNG")
thumb = pil.resize((32, 24))
# %%
page = "<html><body><table>" + "".join(f"<tr><td class='n'>{i}</td><td>{html.escape('a&b<' + str(i * i))}</td></tr>" for i in range(300)) + "</table></body></html>"
class Rows(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self._row, self._cell = [], None, None
    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self._row = []
        elif tag == "td":
            self._cell = []
    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)
    def handle_endtag(self, tag):
        if tag == "td":
            self._row.append("".join(self._cell)); self._cell = None
        elif tag == "tr":
            self.rows.append(self._row)
parser = Rows()
parser.feed(page[: len(page) // 2])
half = len(parser.rows)
# %%
parser.feed(page[len(page) // 2:])
scraped = pd.DataFrame(parser.rows, columns=["n", "text"]).astype({"n": int})
scraped["sq"] = scraped.text.str.extract(r"(\d+)$", expand=False).astype(int)
# %%
rng = np.random.default_rng(2)
X = rng.normal(size=(1500, 6))
y = (X[:, 0] * 2 + X[:, 1] ** 2 + rng.normal(0, 0.1, 1500))
# %%
dtrain = xgb.DMatrix(X[:1000], y[:1000])
dval = xgb.DMatrix(X[1000:], y[1000:])
evals = {}
bst = xgb.train({"max_depth": 3, "eta": 0.3, "nthread": 1, "seed": 0}, dtrain, 20, evals=[(dval, "val")], evals_result=evals, verbose_eval=False)
pred = bst.predict(dval)
# %%
reg = xgb.XGBRegressor(n_estimators=15, max_depth=3, n_jobs=1, random_state=0).fit(X, y)
lset = lgb.Dataset(X, y, free_raw_data=False)
lbst = lgb.train({"verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True}, lset, 15)
lpred = lbst.predict(X[:5])
importance = dict(zip("abcdef", reg.feature_importances_))
#= p: pred[:5].tolist()
#= l: lpred.tolist()
#= h: half
#? (arr[15, 20] == (255, 0, 0)).all() and pil.getpixel((12, 12)) == (255, 0, 0) and thumb.size == (32, 24)
#? img[0, 0, 0] == 255 and (tiles[3][0, 0] == (1, 2, 3)).all() and np.shares_memory(tiles[3], img) and np.shares_memory(red, img)
#? Image.open(io.BytesIO(buf.getvalue())).size == (128, 96) and soft.shape == img.shape
#? half == $h$ and len(parser.rows) == 300 and (scraped.sq == scraped.n ** 2).all() and type(parser) is Rows
#? np.allclose(bst.predict(xgb.DMatrix(X[1000:1005])), $p$) and len(evals["val"]["rmse"]) == 20
#? np.allclose(lbst.predict(X[:5]), $l$) and np.allclose(reg.predict(X[:3]), y[:3], atol=3)
#? dtrain.num_row() == 1000 and np.allclose(bst.predict(dval)[:5], $p$)
#? lset.num_data() == 1500 and max(importance, key=importance.get) in "ab"
