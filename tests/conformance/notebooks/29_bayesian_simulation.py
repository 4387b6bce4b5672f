# %%
import numpy as np, math, time, warnings
from tqdm.auto import tqdm
from concurrent.futures import ThreadPoolExecutor
np.random.seed(12)
warnings.simplefilter("ignore")
# %%
true = {"mu": 1.5, "sigma": 0.7}
obs = np.random.normal(true["mu"], true["sigma"], 300)
# %%
def log_post(theta):
    mu, ls = theta
    s = math.exp(ls)
    return -0.5 * np.sum(((obs - mu) / s) ** 2) - len(obs) * ls - 0.5 * (mu / 10) ** 2 - 0.5 * ls ** 2
class Chain:
    def __init__(self, start, step, seed):
        self.rng = np.random.default_rng(seed)
        self.theta, self.step = np.array(start, float), step
        self.trace, self.accepted = [], 0
        self.lp = log_post(self.theta)
    def advance(self, n):
        for _ in range(n):
            prop = self.theta + self.rng.normal(0, self.step, 2)
            lp = log_post(prop)
            if math.log(self.rng.random()) < lp - self.lp:
                self.theta, self.lp = prop, lp
                self.accepted += 1
            self.trace.append(self.theta)
        return self
chains = [Chain([0, 0], 0.08, s) for s in range(4)]
# %%
%%time
for c in tqdm(chains, desc="warm", disable=None):
    c.advance(1500)
# %%
def many(c):
    return c.advance(500)
with ThreadPoolExecutor(2) as pool:
    done = list(pool.map(many, chains))
# %%
trace = np.array([c.trace for c in chains])
burn = trace[:, 500:]
mu_s = burn[..., 0]
def rhat(x):
    m, n = x.shape
    B, W = n * x.mean(1).var(ddof=1), x.var(1, ddof=1).mean()
    return math.sqrt(((n - 1) / n * W + B / n) / W)
summary = {"mu": float(mu_s.mean()), "sd": float(np.exp(burn[..., 1]).mean()), "rhat": rhat(mu_s)}
# %%
best = max(chains, key=lambda c: c.lp)
best.step *= 0.5
ppc = np.random.normal(mu_s.ravel()[:1000, None], np.exp(burn[..., 1]).ravel()[:1000, None], (1000, 50))
mu_s[0, 0] = 99.0
# %%
boot = (np.random.choice(obs, len(obs)).mean() for _ in range(10 ** 9))
first = [next(boot) for _ in range(5)]
# %%
state = np.random.get_state()[1][:3].tolist()
#= s: summary
#= st: state
#= nxt: (lambda r: [float(r.normal()) for _ in range(2)])(__import__("copy").deepcopy(best.rng))
#? summary == $s$ and burn[0, 0, 0] == 99.0 and trace[0, 500, 0] == 99.0
#? [float(best.rng.normal()) for _ in range(2)] == $nxt$ and best in chains and done[0] is chains[0]
#? np.random.get_state()[1][:3].tolist() == $st$ and ppc.shape == (1000, 50)
#? (chains[1].advance(10), len(chains[1].trace) == 2010)[1] and abs(summary["mu"] - 1.5) < 0.2
#? len(first) == 5 and 0 < next(boot) < 3
