# %%
import re, string, math, random, itertools, unicodedata
from collections import Counter, defaultdict, namedtuple
from functools import lru_cache, partial
# %%
rng = random.Random(4)
WORDS = ["data", "model", "kernel", "naïve", "café", "cloud", "node", "river", "stone", "light", "memory", "token", "graph", "tree", "über"]
def sentence():
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(5, 14))).capitalize() + rng.choice(".!?")
corpus = [" ".join(sentence() for _ in range(12)) for _ in range(800)]
with open("corpus.txt", "w", encoding="utf-8") as f:
    f.write("\n".join(corpus))
# %%
TOKEN = re.compile(r"\w+|[^\w\s]", re.UNICODE)
Token = namedtuple("Token", "text pos doc")
@lru_cache(maxsize=None)
def norm(w):
    return "".join(c for c in unicodedata.normalize("NFKD", w.lower()) if not unicodedata.combining(c))
def tokenize(i, text):
    for m in TOKEN.finditer(text):
        yield Token(norm(m.group()), m.start(), i)
# %%
%%time
docs = [list(tokenize(i, d)) for i, d in enumerate(corpus)]
vocab = Counter(t.text for d in docs for t in d if t.text not in string.punctuation)
# %%
inverted = defaultdict(lambda: defaultdict(list))
for d in docs:
    for t in d:
        inverted[t.text][t.doc].append(t.pos)
# %%
class TfIdf:
    def __init__(self, docs):
        self.n = len(docs)
        self.df = Counter(w for d in docs for w in {t.text for t in d})
        self.tf = [Counter(t.text for t in d) for d in docs]
    def weight(self, w, i):
        return self.tf[i][w] * math.log((1 + self.n) / (1 + self.df[w]))
    def __call__(self, query, k=5):
        ws = [norm(w) for w in query.split()]
        scored = ((sum(self.weight(w, i) for w in ws), i) for i in range(self.n))
        return sorted(scored, reverse=True)[:k]
search = TfIdf(docs)
top = search("memory kernel")
# %%
bigrams = defaultdict(Counter)
for d in docs:
    for a, b in zip(d, d[1:]):
        bigrams[a.text][b.text] += 1
def generate(seed, n, r=random.Random(9)):
    out = [seed]
    for _ in range(n):
        nxt = bigrams[out[-1]]
        out.append(r.choices(list(nxt), nxt.values())[0])
    return out
sample = generate("data", 8)
# %%
stream = itertools.chain.from_iterable(docs)
head = [next(stream) for _ in range(25)]
pairs = itertools.islice(itertools.combinations(sorted(vocab), 2), 3, None)
next(pairs)
# %%
is_long = partial(lambda n, w: len(w) > n, 4)
longs = {w for w in vocab if is_long(w)}
match = TOKEN.match(corpus[0])
# %%
lines = open("corpus.txt", encoding="utf-8")
first_line = lines.readline()
#= top: top
#= s: sample
#= nxt: len(longs)
#? search("memory kernel") == $top$ and sample == $s$
#? inverted["cafe"] and type(inverted["nothing"]) is defaultdict and norm.cache_info().currsize >= len(vocab)
#? next(stream) is docs[0][25] and type(head[0]) is Token
#? len(generate("data", 3)) == 4 and len(longs) == $nxt$ and is_long("kernel")
#? next(lines).strip() == corpus[1] and first_line.strip() == corpus[0]
#? match.group() == corpus[0].split()[0].rstrip(".!?") and next(pairs)[0] == sorted(vocab)[0]
