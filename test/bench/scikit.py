#!/usr/bin/env python3
"""What one would write with scikit-learn: orders of texts by logistic regression, for test/bench/scikit.sql.

    scikit.py STEPS DOCUMENTS >SCORES

STEPS has guide_id, step_key, step_no, repository, instruction; DOCUMENTS has run, split, guide_id, part (approved, pool, test). Both
are CSV without a header. SCORES has run, by, guide_id, step_key, score: a step with a larger score stands earlier.

The model learns from all pairs of the approved documents: a logistic regression without intercept over x_j - x_i, three times:

    words        tf-idf of words and bigrams
    characters   tf-idf of 3 to 5 characters within word boundaries
    edges        tf-idf of the first and last two words of a step, and its length

Each has its own C by cross-validation over groups: repositories where these are held out, else documents. The ensemble is the mean of
the three log-odds. Vocabulary and frequencies are those of all training documents, approved or not.

The scores are additive: the log-odds of a pair is the difference of two steps' scores. The order that maximises the sum over all
pairs, which xmcoh's decoder searches, is then the order by score.
"""
import csv
import re
import sys
from collections import defaultdict

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

PENALTIES = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]     # C; the loss is a sum over pairs
FEW = 600       # approved documents up to which there are five folds of cross-validation, else three


def edges(text):
    """The first and the last two words, each marked by its place."""
    words = re.findall(r"\w+", text.lower())
    return [f"{place}:{word}" for place, word in
            (("first", " ".join(words[:1])), ("second", " ".join(words[1:2])), ("start", " ".join(words[:2])),
             ("last", " ".join(words[-1:])), ("end", " ".join(words[-2:])))]


def lengths(texts):
    return np.log1p([[len(re.findall(r"\w+", text)), len(text)] for text in texts])


def views():
    tfidf = dict(sublinear_tf=True)
    return {
        "words": TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **tfidf),
        "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **tfidf),
        "edges": FeatureUnion([("words", TfidfVectorizer(analyzer=edges, **tfidf)),
                               ("length", make_pipeline(FunctionTransformer(lengths), StandardScaler()))]),
    }


def fitted(x, before, after, penalties):
    """The weights at each C, from small to large: those of LogisticRegression(fit_intercept=False) over x_before - x_after. The
    matrix of differences has seven times as many numbers as x and is not written out."""
    n = x.shape[0]
    xt = x.T.tocsr()
    w = np.zeros(x.shape[1])

    def loss(w, c):
        u = x @ w
        margin = u[before] - u[after]
        push = c * expit(-margin)
        by_step = np.bincount(before, push, n) - np.bincount(after, push, n)
        return c * np.logaddexp(0, -margin).sum() + w @ w / 2, w - xt @ by_step

    for c in penalties:
        w = minimize(loss, w, c, method="L-BFGS-B", jac=True, options=dict(maxiter=1000, gtol=1e-3 * max(1, c))).x
        yield w


def check(x, before, after):
    """That `fitted` finds what scikit-learn finds."""
    n = len(before)
    sign = np.where(np.arange(n) % 2 == 0, 1, -1)
    rows = np.tile(np.arange(n), 2)
    pairs = sp.csr_matrix((np.concatenate([sign, -sign]), (rows, np.concatenate([before, after]))), shape=(n, x.shape[0]))
    w = LogisticRegression(fit_intercept=False, max_iter=10000, tol=1e-6).fit(pairs @ x, sign).coef_[0]
    off = abs(x @ w - x @ next(fitted(x, before, after, [1]))).max()
    print(f"against LogisticRegression: scores differ by {off:.1g}", file=sys.stderr, flush=True)
    assert off < 0.01


def tuned(x, before, after, groups, folds):
    """The C whose weights give the held-out pairs the smallest loss, and the weights of all pairs at this C."""
    loss = np.zeros(len(PENALTIES))
    for learn, test in GroupKFold(min(folds, len(set(groups)))).split(before, groups=groups):
        for k, w in enumerate(fitted(x, before[learn], after[learn], PENALTIES)):
            u = x @ w
            loss[k] += np.logaddexp(0, u[after[test]] - u[before[test]]).sum()
    c = PENALTIES[int(loss.argmin())]
    return c, next(fitted(x, before, after, [c]))


def scores(steps, parts, split, checked):
    """Yields by, step and score of the steps of the test documents of one run."""
    order = {part: [s for g in sorted(parts) if parts[g] == part for s in steps[g]] for part in ("approved", "pool", "test")}
    approved, test = order["approved"], order["test"]
    pairs = []
    start = 0
    for guide in sorted(g for g in parts if parts[g] == "approved"):
        n = len(steps[guide])       # in their stored order
        group = steps[guide][0][3] if split == "repository" else guide
        pairs += [(start + i, start + j, group) for i in range(n) for j in range(i + 1, n)]
        start += n
    before, after, groups = (np.array(column) for column in zip(*pairs))
    n_approved = sum(part == "approved" for part in parts.values())
    mean = np.zeros(len(test))
    for name, view in views().items():
        view.fit([s[4] for s in approved + order["pool"]])
        x = view.transform([s[4] for s in approved]).tocsr()
        if checked and name == "words":
            check(x, before, after)
        c, w = tuned(x, before, after, groups, 5 if n_approved <= FEW else 3)
        u = view.transform([s[4] for s in test]) @ w
        mean += u / 3
        print(f"{split}, {n_approved} approved, {name}: C = {c}", file=sys.stderr, flush=True)
        yield from ((f"scikit-learn, {name}", s, score) for s, score in zip(test, u))
    yield from (("scikit-learn, three views", s, score) for s, score in zip(test, mean))


def main():
    steps = defaultdict(list)
    runs = defaultdict(dict)
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            steps[row[0]].append(row)
    for guide in steps.values():
        guide.sort(key=lambda row: int(row[2]))
    with open(sys.argv[2], newline="", encoding="utf-8") as file:
        for run, split, guide, part in csv.reader(file):
            runs[run, split][guide] = part
    out = csv.writer(sys.stdout)
    smallest = min(runs, key=lambda run: list(runs[run].values()).count("approved"))
    for (run, split), parts in runs.items():
        for by, step, score in scores(steps, parts, split, (run, split) == smallest):
            out.writerow([run, by, step[0], step[1], repr(float(score))])


if __name__ == "__main__":
    main()
