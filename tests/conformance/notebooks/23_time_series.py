# %%
import numpy as np, pandas as pd, datetime as dt
pd.set_option("display.width", 120)
rng = np.random.default_rng(21)
# %%
idx = pd.date_range("2022-01-01", "2023-12-31 23:00", freq="h", tz="Europe/Madrid")
base = 100 + 20 * np.sin(np.arange(len(idx)) * 2 * np.pi / 24) + 8 * np.sin(np.arange(len(idx)) * 2 * np.pi / (24 * 7))
load = pd.Series(base + rng.normal(0, 3, len(idx)), index=idx, name="load")
temp = pd.Series(15 + 10 * np.sin(np.arange(len(idx)) * 2 * np.pi / 8760) + rng.normal(0, 2, len(idx)), index=idx)
# %%
df = load.to_frame().assign(temp=temp)
df.loc[df.sample(frac=0.02, random_state=1).index, "load"] = np.nan
df["hour"] = df.index.hour
df["dow"] = pd.Categorical(df.index.day_name(), categories=["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"], ordered=True)
# %%
df["load"] = df["load"].interpolate("time")
daily = df[["load", "temp"]].resample("D").agg({"load": ["mean", "max"], "temp": "mean"})
daily.columns = ["_".join(c) for c in daily.columns]
# %%
roll = daily["load_mean"].rolling(7, min_periods=1)
daily["trend"] = roll.mean()
ewm = daily["load_mean"].ewm(span=5)
monthly = daily.groupby(daily.index.to_period("M") if daily.index.tz is None else daily.index.tz_localize(None).to_period("M")).mean()
# %%
def lags(frame, col, ks):
    out = frame.copy()
    for k in ks:
        out[f"{col}_lag{k}"] = out[col].shift(k)
    return out.dropna()
train = lags(daily, "load_mean", [1, 7])
# %%
A = np.column_stack([np.ones(len(train)), train[["load_mean_lag1", "load_mean_lag7", "temp_mean"]].to_numpy()])
coef, resid, rank, sv = np.linalg.lstsq(A, train["load_mean"].to_numpy(), rcond=None)
forecast = pd.Series(A @ coef, index=train.index, name="forecast")
# %%
err = (train["load_mean"] - forecast)
report = pd.concat([train["load_mean"], forecast, err.rename("err")], axis=1)
worst = report["err"].abs().nlargest(5)
pivot = df.pivot_table(index="hour", columns="dow", values="load", aggfunc="mean", observed=False)
# %%
anomalies = report[report["err"].abs() > 2 * report["err"].std()]
anomalies.attrs["threshold"] = 2
groups = df.groupby("dow", observed=True)["load"]
report.to_csv("report.csv")
# %%
offset = pd.tseries.offsets.BMonthEnd()
deadline = (pd.Timestamp("2023-12-24") + offset).tz_localize("Europe/Madrid")
windows = [w for _, w in zip(range(3), daily["load_mean"].rolling(3))]
#= c: coef.tolist()
#= w: worst.index[0].isoformat()
#= m: float(monthly.load_mean.iloc[3])
#? np.allclose(coef, $c$) and worst.index[0].isoformat() == $w$ and abs(monthly.load_mean.iloc[3] - $m$) < 1e-12
#? str(df.index.tz) == "Europe/Madrid" and df["dow"].cat.ordered and df.index.freq is not None
#? pivot.shape == (24, 7) and list(pivot.columns)[0] == "Monday" and anomalies.attrs == {"threshold": 2}
#? len(groups.mean()) == 7 and roll.mean().equals(daily["trend"].rename("load_mean")) and len(ewm.mean()) == len(daily)
#? deadline.day == 29 and len(windows[2]) == 3 and pd.get_option("display.width") == 120
#? pd.read_csv("report.csv").shape[0] == len(report)
