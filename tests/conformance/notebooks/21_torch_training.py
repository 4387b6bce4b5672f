# %%
import math, time, random
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
torch.set_num_threads(1)
# %%
def set_seed(s):
    random.seed(s); np.random.seed(s); torch.manual_seed(s)
set_seed(11)
# %%
t = torch.linspace(0, 6 * math.pi, 4000)
X = torch.stack([torch.sin(t), torch.cos(2 * t), t / t.max()], 1)
y = (torch.sin(t) * torch.cos(2 * t) + 0.05 * torch.randn(4000)).unsqueeze(1)
split = int(0.8 * len(X))
train_ds = TensorDataset(X[:split], y[:split])
val_X, val_y = X[split:], y[split:]
# %%
class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.lin, self.norm = nn.Linear(d, d), nn.LayerNorm(d)
    def forward(self, x):
        return x + F.gelu(self.norm(self.lin(x)))

class Net(nn.Module):
    def __init__(self, d=32, n=3):
        super().__init__()
        self.inp = nn.Linear(3, d)
        self.blocks = nn.ModuleList(Block(d) for _ in range(n))
        self.out = nn.Linear(d, 1)
    def forward(self, x):
        x = self.inp(x)
        for b in self.blocks:
            x = b(x)
        return self.out(x)
model = Net()
sum(p.numel() for p in model.parameters())
# %%
opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
loader = DataLoader(train_ds, batch_size=64, shuffle=True, generator=torch.Generator().manual_seed(0))
history = {"train": [], "val": [], "lr": []}
best = {"loss": float("inf"), "state": None}
# %%
%%time
def evaluate():
    model.eval()
    with torch.no_grad():
        return F.mse_loss(model(val_X), val_y).item()
for epoch in range(6):
    model.train()
    total = 0.0
    for xb, yb in loader:
        opt.zero_grad()
        loss = F.mse_loss(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        total += loss.item() * len(xb)
    sched.step()
    v = evaluate()
    history["train"].append(total / len(train_ds)); history["val"].append(v); history["lr"].append(opt.param_groups[0]["lr"])
    if v < best["loss"]:
        best.update(loss=v, state={k: p.clone() for k, p in model.state_dict().items()})
loss = loss.item()
# %%
pred = model(val_X).detach()
resid = (pred - val_y).numpy()
# %%
acts = []
hook = model.blocks[0].register_forward_hook(lambda m, i, o: acts.append(o.detach().mean().item()))
_ = model(val_X[:8])
# %%
for p in model.inp.parameters():
    p.requires_grad_(False)
head = model.out
#= v: evaluate()
#= lr: opt.param_groups[0]["lr"]
#= nacts: len(acts)
#? abs(evaluate() - $v$) < 1e-9 and history["val"][-1] is not None and len(history["train"]) == 6
#? opt.param_groups[0]["lr"] == $lr$ and sched.last_epoch == 6 and sched.optimizer is opt
#? opt.param_groups[0]["params"][-1] is model.out.bias and head is model.out
#? len(acts) >= $nacts$ and (model(val_X[:2]), len(acts) > $nacts$)[1]
#? np.allclose(resid, (model(val_X).detach() - val_y).numpy(), atol=1e-6)
#? not model.inp.weight.requires_grad and loader.dataset is train_ds and isinstance(loss, float)
