# %%
import polars as pl, pyarrow as pa, pyarrow.parquet as pq
import random, json, pathlib
# %%
random.seed(3)
pathlib.Path("in").mkdir(exist_ok=True)
for day in range(4):
    rows = [{"id": day * 5000 + i, "sku": random.choice("ABCDE") + str(random.randrange(20)), "qty": random.randrange(1, 9), "price": round(random.random() * 50, 2), "tags": random.sample(["x", "y", "z"], 2)} for i in range(5000)]
    with open(f"in/{day}.json", "w") as f:
        json.dump(rows, f)
# %%
frames = []
for p in sorted(pathlib.Path("in").glob("*.json")):
    frames.append(pl.DataFrame(json.loads(p.read_text())).with_columns(pl.lit(int(p.stem)).alias("day")))
raw = pl.concat(frames)
# %%
orders = raw.with_columns((pl.col("qty") * pl.col("price")).alias("total"), pl.col("sku").str.slice(0, 1).cast(pl.Categorical).alias("family"))
orders.schema
# %%
lazy = orders.lazy().filter(pl.col("total") > 20).group_by("family", "day").agg(pl.col("total").sum().alias("sum"), pl.len().alias("n")).sort("family", "day")
by_family = lazy.collect()
# %%
top = orders.sort("total", descending=True).head(10)
struct = orders.select(pl.struct("sku", "qty").alias("s")).head(3)
level = pl.Enum(["low", "mid", "high"])
banded = orders.select(pl.when(pl.col("total") > 100).then(pl.lit("high")).otherwise(pl.lit("low")).cast(level).alias("band"))
# %%
expr = (pl.col("total") - pl.col("total").mean()) / pl.col("total").std()
z = orders.select(expr.alias("z"))
# %%
table = orders.to_arrow()
schema = table.schema
pq.write_table(table.slice(0, 1000), "orders.parquet")
dictionary = pa.array(["a", "b", "a"]).dictionary_encode()
batches = table.to_batches(max_chunksize=4000)
# %%
exploded = orders.explode("tags").group_by("tags").agg(pl.col("total").mean()).sort("tags")
wide = by_family.pivot(on="day", index="family", values="sum")
summary = {"rows": orders.height, "families": by_family["family"].unique().sort().to_list()}
#= s: by_family["sum"].to_list()
#= t: top["id"].to_list()
#= z: float(z["z"].max())
#? by_family["sum"].to_list() == $s$ and top["id"].to_list() == $t$ and orders.schema["family"] == pl.Categorical
#? lazy.collect().height == by_family.height and abs(orders.select(expr.alias("z"))["z"].max() - $z$) < 1e-12
#? banded.schema["band"] == level and struct["s"][0].keys() == {"sku", "qty"} and wide.width == 5
#? table.schema == schema and table.num_rows == 20000 and pq.read_table("orders.parquet").num_rows == 1000
#? dictionary.to_pylist() == ["a", "b", "a"] and sum(b.num_rows for b in batches) == 20000 and summary["rows"] == 20000
#? exploded.height == 3 and frames[2].height == 5000
