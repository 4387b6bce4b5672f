# ruff: noqa: E501 - the cells are written as a user writes them
"""torch: shared memory, modules with their optimisers, graphs, data loaders, random state, settings."""

from . import case

_TRAINING = """
import torch, torch.nn as nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Linear(4, 4)
        self.out = nn.Linear(4, 4)
        self.out.weight = self.emb.weight
        self.drop = nn.Dropout(0.1)
        self.register_buffer("steps", torch.zeros(1))
    def forward(self, x):
        return self.out(torch.relu(self.emb(x)))
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
sched = torch.optim.lr_scheduler.StepLR(opt, 2, gamma=0.5)
X, y = torch.randn(16, 4), torch.randn(16, 4)
"""

case(
    "torch_optimiser_shares_the_parameters",
    [
        _TRAINING,
        "losses = []\nfor _ in range(3):\n    opt.zero_grad()\n    loss = ((net(X) - y) ** 2).mean()\n    loss.backward()\n    opt.step()\n    sched.step()\n    net.steps += 1\n    losses.append(loss.item())\ndel loss",
        "net.eval()\nbest = {k: v.clone() for k, v in net.state_dict().items()}\nlive = net.state_dict()",
    ],
    [
        "net.out.weight is net.emb.weight and opt.param_groups[0]['params'][0] is net.emb.weight",
        "sched.optimizer is opt and abs(opt.param_groups[0]['lr'] - 0.005) < 1e-9 and sched.last_epoch == 3",
        "len(opt.state) == 3 and int(opt.state[net.emb.weight]['step']) == 3 and not net.training and float(net.steps) == 3",
        "net.emb.weight.grad is not None and all(torch.equal(v, best[k]) for k, v in net.state_dict().items())",
        "live['emb.weight'].data_ptr() == net.emb.weight.data_ptr()",
        "(opt.zero_grad(), ((net(X) - y) ** 2).mean().backward(), opt.step(), torch.equal(live['emb.weight'], net.emb.weight) and not torch.equal(best['emb.weight'], net.emb.weight))[3]",
    ],
    "torch",
)

case(
    "torch_graph_in_the_middle",
    [
        "import torch\nw = torch.ones(3, requires_grad=True)\nx = torch.arange(3.0)",
        "mid = w * x\nloss = mid.sum()\ndone = (w * 2).sum()\ndone.backward()\ndone = done.detach()",
    ],
    [
        "w.requires_grad and w.is_leaf and w.grad.tolist() == [2, 2, 2] and float(done) == 6",
        "float(loss) == 3 and loss.requires_grad and mid.requires_grad",
        "(loss.backward(), w.grad.tolist() == [2, 3, 4])[1]",
    ],
    "torch",
    may_lose=("mid", "loss"),
)

case(
    "torch_views_slices_and_strides",
    [
        "import torch, numpy as np\nbase = torch.arange(12.0)\ngrid = base.view(3, 4)\ncol = grid[:, 1]\nt = grid.t()\nexp = torch.ones(1, 3).expand(4, 3)\narr = np.zeros(5)\nfrom_np = torch.from_numpy(arr)\nto_np = base.numpy()\nints = torch.tensor([1, 2], dtype=torch.int8)\nhalf = torch.ones(2, dtype=torch.bfloat16)\ncplx = torch.zeros(2, dtype=torch.complex64)\nempty = torch.empty(0, 3)",
        "col[0] = -5\nfrom_np[2] = 9\nto_np[5] = 55",
    ],
    [
        "base[1] == -5 and grid[0, 1] == -5 and t[1, 0] == -5 and base[5] == 55 and arr[2] == 9",
        "(base.__setitem__(9, 99.0), float(col[2]) == 99 and to_np[9] == 99)[1]",
        "(from_np.__setitem__(0, 3.0), arr[0] == 3)[1]",
        "exp.shape == (4, 3) and exp.stride() == (0, 1) and t.stride() == (1, 4)",
        "ints.dtype == torch.int8 and half.dtype == torch.bfloat16 and cplx.dtype == torch.complex64 and empty.shape == (0, 3)",
    ],
    "torch numpy",
)

case(
    "torch_hooks_and_custom_functions",
    [
        """
import torch
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2
    @staticmethod
    def backward(ctx, g):
        seen.append(float(g.sum()))
        return g * 2
seen = []
lin = torch.nn.Linear(2, 1)
handle = lin.register_forward_hook(lambda m, i, o: seen.append("fwd"))
seq = torch.nn.Sequential(lin, torch.nn.Tanh())
model = torch.nn.ModuleDict({"a": seq, "b": torch.nn.ParameterList([torch.nn.Parameter(torch.ones(2))])})
""",
        "Double.apply(torch.ones(2, requires_grad=True)).sum().backward()\n_ = seq(torch.ones(1, 2)).detach()",
    ],
    [
        "seen == [2.0, 'fwd'] and model['a'][0] is lin",
        "(seq(torch.ones(1, 2)), len(seen) == 3)[1]",
        "(handle.remove(), seq(torch.ones(1, 2)), len(seen) == 3)[2]",
        "(Double.apply(torch.ones(3, requires_grad=True)).sum().backward(), seen[-1] == 3.0)[1]",
        "len(list(model.parameters())) == 3",
    ],
    "torch",
)

case(
    "torch_data_and_loaders",
    [
        """
import torch
from torch.utils.data import Dataset, DataLoader, TensorDataset, random_split, Subset
class Squares(Dataset):
    def __init__(self, n):
        self.n = n
    def __len__(self):
        return self.n
    def __getitem__(self, i):
        return i, i * i
g = torch.Generator().manual_seed(3)
train, test = random_split(Squares(10), [8, 2], generator=g)
loader = DataLoader(train, batch_size=4, shuffle=False)
td = TensorDataset(torch.arange(4), torch.arange(4) * 2)
""",
        "batches = [b[1].tolist() for b in loader]\nit = iter(loader)\nfirst = next(it)",
    ],
    [
        "[b[1].tolist() for b in loader] == batches and loader.dataset is train and len(test) == 2",
        "td[2][1] == 4 and first[0].tolist() == [i for i in train.indices[:4]]",
        "next(it)[1].tolist() == batches[1]",
    ],
    "torch",
    may_lose=("it",),
)

case(
    "torch_random_state_and_settings",
    [
        "import torch\ntorch.manual_seed(7)\ntorch.set_default_dtype(torch.float64)\ntorch.set_printoptions(precision=2)\ntorch.set_grad_enabled(False)\ngen = torch.Generator().manual_seed(1)",
        "a = torch.rand(1)\nb = torch.rand(1, generator=gen)",
    ],
    [
        "torch.get_default_dtype() == torch.float64 and torch.tensor(1.5).dtype == torch.float64",
        "float(torch.rand(1)) == $next$ and float(torch.rand(1, generator=gen)) == $gnext$",
        "not torch.is_grad_enabled() and '0.33' in str(torch.tensor(1 / 3)) and '0.333' not in str(torch.tensor(1 / 3))",
    ],
    "torch",
    capture={
        "next": "(lambda g: (g.set_state(torch.get_rng_state()), float(torch.rand(1, generator=g)))[1])(torch.Generator())",
        "gnext": "(lambda g: (g.set_state(gen.get_state()), float(torch.rand(1, generator=g)))[1])(torch.Generator())",
    },
)

case(
    "torch_sparse_scripted_and_odd_tensors",
    [
        "import torch\nsp = torch.eye(3).to_sparse()\nclass Scaled(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.k = 2.0\n    def forward(self, x):\n        return x * self.k\nscripted = torch.jit.trace(Scaled(), torch.ones(1))\nsize = torch.Size([2, 3])\ndev, dty = torch.device('cpu'), torch.float16\nmeta = torch.empty(3, device='meta')\nnested = {'w': torch.ones(2)}\nnested['again'] = nested['w']\ntagged = torch.zeros(1)\ntagged.note = 'n'",
        "nested['w'] += 1",
    ],
    [
        "sp.is_sparse and sp.to_dense()[1, 1] == 1 and size == (2, 3) and type(size) is torch.Size and dev.type == 'cpu' and dty is torch.float16",
        "float(scripted(torch.ones(1))) == 2.0",
        "meta.device.type == 'meta' and nested['again'] is nested['w'] and nested['w'].tolist() == [2, 2] and tagged.note == 'n'",
    ],
    "torch",
    may_lose=("scripted", "meta"),
)

case(
    "torch_leaf_views_and_detached",
    [
        "import torch\np = torch.nn.Parameter(torch.ones(4))\nd = p.detach()\nq = p.data\nfrozen = torch.nn.Linear(2, 2)\nfor x in frozen.parameters():\n    x.requires_grad_(False)\nema = [v.detach().clone() for v in frozen.parameters()]",
        "d[0] = 5\nwith torch.no_grad():\n    p[1] = 6",
    ],
    [
        "p[0] == 5 and q[1] == 6 and d[1] == 6 and type(p) is torch.nn.Parameter and not d.requires_grad",
        "(d.__setitem__(2, 7.0), float(p[2].detach()) == 7 and q[2] == 7)[1]",
        "not any(x.requires_grad for x in frozen.parameters()) and torch.equal(ema[0], frozen.weight)",
    ],
    "torch",
)
