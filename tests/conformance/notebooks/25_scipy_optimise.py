# %%
import numpy as np
from scipy import optimize, interpolate, integrate, stats, sparse, spatial, signal
from scipy.sparse import linalg as sla
# %%
rng = np.random.default_rng(5)
calls = []
def rosen(x, a=1.0, b=100.0):
    calls.append(x.copy())
    return (a - x[0]) ** 2 + b * (x[1] - x[0] ** 2) ** 2
# %%
res = optimize.minimize(rosen, [-1.2, 1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8})
path = np.array(calls)
# %%
x = np.linspace(0, 10, 60)
obs = 2.5 * np.exp(-0.4 * x) + 0.3 + rng.normal(0, 0.02, 60)
model = lambda x, a, k, c: a * np.exp(-k * x) + c
popt, pcov = optimize.curve_fit(model, x, obs, p0=(1, 1, 0))
# %%
spline = interpolate.CubicSpline(x, obs)
pchip = interpolate.PchipInterpolator(x, obs)
tck = interpolate.splrep(x, obs, s=0.01)
grid = interpolate.RegularGridInterpolator((np.arange(4.0), np.arange(5.0)), np.arange(20.0).reshape(4, 5))
# %%
def lotka(t, z, a, b, c, d):
    u, v = z
    return [a * u - b * u * v, -c * v + d * u * v]
sol = integrate.solve_ivp(lotka, (0, 15), [10, 5], args=(1.5, 1, 3, 1), dense_output=True, rtol=1e-6)
area = integrate.quad(spline, 0, 10)
# %%
dist = stats.gamma(2.0, scale=1.5)
sample = dist.rvs(2000, random_state=np.random.default_rng(1))
kde = stats.gaussian_kde(sample)
fit = stats.gamma.fit(sample, floc=0)
test = stats.ks_2samp(sample[:1000], sample[1000:])
# %%
n = 400
L = sparse.diags([-1, 2, -1], [-1, 0, 1], shape=(n, n), format="csc")
lu = sla.splu(L)
u = lu.solve(np.ones(n))
formats = {f: L.asformat(f) for f in ("csr", "coo", "lil", "dok", "dia", "bsr")}
op = sla.LinearOperator((n, n), matvec=lambda v: L @ v)
# %%
pts = rng.random((500, 3))
tree = spatial.cKDTree(pts)
hull = spatial.ConvexHull(pts[:, :2])
rot = spatial.transform.Rotation.from_euler("z", 90, degrees=True)
near = tree.query(pts[0], k=4)[1]
# %%
b, a = signal.butter(3, 0.2)
filtered = signal.filtfilt(b, a, obs)
bounds = optimize.LinearConstraint(np.eye(2), [0, 0], [1, 1])
res2 = optimize.minimize(rosen, [0.5, 0.5], constraints=[bounds], method="SLSQP")
res.note = "first"
#= r: res.x.tolist()
#= p: popt.tolist()
#= y: sol.sol(7.5).tolist()
#= near: near.tolist()
#? res.x.tolist() == $r$ and res.note == "first" and res.success and len(path) <= len(calls)
#? popt.tolist() == $p$ and abs(model(1.0, *popt) - spline(1.0)) < 0.2 and abs(pchip(2.0) - spline(2.0)) < 0.1
#? np.allclose(sol.sol(7.5), $y$) and abs(area[0] - spline.integrate(0, 10)) < 1e-6
#? dist.mean() == 3.0 and abs(kde(2.0)[0] - dist.pdf(2.0)) < 0.1 and test.pvalue > 0.001 and len(fit) == 3
#? np.allclose(L @ u, 1) and all(abs((m - L)).sum() == 0 for m in (formats["csr"], formats["coo"].tocsc())) and np.allclose(op @ np.ones(n), L @ np.ones(n))
#? tree.query(pts[0], k=4)[1].tolist() == $near$ and hull.volume > 0.8 and np.allclose(rot.apply([1, 0, 0]), [0, 1, 0])
#? np.allclose(lu.solve(np.ones(n)), u)
#? grid([[1.5, 2.0]])[0] == 9.5 and np.allclose(interpolate.splev(3.0, tck), spline(3.0), atol=0.2) and res2.fun < 1e-4
