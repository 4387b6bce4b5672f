# %%
%matplotlib inline
import numpy as np, pandas as pd
import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter
import ipywidgets as W
from IPython.display import display, Markdown
# %%
plt.rcParams["figure.figsize"] = (5, 3)
mpl.rcParams["axes.grid"] = True
plt.style.use("ggplot")
rng = np.random.default_rng(8)
# %%
data = pd.DataFrame({"x": np.arange(200), "y": rng.normal(size=200).cumsum(), "k": rng.choice(list("abc"), 200)})
summary = data.groupby("k").y.agg(["mean", "std", "count"])
# %%
fig, axes = plt.subplots(1, 2)
line, = axes[0].plot(data.x, data.y, label="walk")
axes[0].set_title("Walk")
bars = axes[1].bar(summary.index, summary["count"])
# %%
fmt = FuncFormatter(lambda v, pos: f"{v:.0f} u")
axes[0].yaxis.set_major_formatter(fmt)
ann = axes[0].annotate("max", (int(data.y.idxmax()), data.y.max()))
line.set_linewidth(3)
# %%
seen = []
slider = W.IntSlider(value=3, min=0, max=10, description="n")
label = W.Label()
box = W.VBox([slider, label])
def on_change(change):
    seen.append(change["new"])
    label.value = f"n={change['new']}"
slider.observe(on_change, names="value")
# %%
slider.value = 7
display(Markdown("**report**"))
# %%
figures = {"main": fig}
fig.savefig("report.png", dpi=50)
cmap = plt.get_cmap("viridis")
norm = mpl.colors.Normalize(0, 10)
color = cmap(norm(slider.value))
# %%
axes[1].axhline(50, color="k")
caption = f"{len(data)} points"
#= c: tuple(map(float, color))
#= t: seen
#? axes[0].get_title() == "Walk" and axes[0].figure is fig and figures["main"] is fig and len(axes[1].lines) == 1
#? line.get_linewidth() == 3 and axes[0].lines[0] is line and ann.get_text() == "max"
#? axes[0].yaxis.get_major_formatter()(3.2) == "3 u" and plt.rcParams["axes.grid"] and plt.rcParams["figure.figsize"] == [5.0, 3.0]
#? slider.value == 7 and label.value == "n=7" and seen == $t$ and box.children[0] is slider
#? (setattr(slider, "value", 2), label.value == "n=2" and seen[-1] == 2)[1]
#? tuple(map(float, cmap(norm(7)))) == $c$ and summary["count"].sum() == 200
#? (fig.savefig("again.png", dpi=50), __import__("os").path.getsize("again.png") > 1000)[1]
