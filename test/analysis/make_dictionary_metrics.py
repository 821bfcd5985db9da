"""
Writes ../reference/dictionary-metrics.json: figures by SAELens's own metric code (sae_lens/synthetic/evals.py), SciPy's linear_sum_assignment and plain
NumPy, which dictionary-metrics.test.ts compares ours with. Run: python make_dictionary_metrics.py ../reference/dictionary-metrics.json (sae-lens 6.54.12).
"""
import json, sys, torch, numpy as np
from scipy.optimize import linear_sum_assignment
from sae_lens.synthetic.evals import mean_correlation_coefficient, feature_uniqueness, compute_classification_metrics, ShrinkageCalculator, ClassificationMetricsCalculator
torch.manual_seed(7)
n_sae, n_true, d, n = 12, 9, 6, 40
true = torch.randn(n_true, d)
sae = torch.cat([true[:5] + .3*torch.randn(5, d), -true[2:4] + .2*torch.randn(2,d), torch.randn(5, d)])
sae[8] = sae[7]*2.5
other = torch.randn(n_sae, d) + sae
third = torch.randn(10, d)
enc = sae.T * .5 + .2*torch.randn(d, n_sae)
bias = torch.randn(d)*.3
truth = torch.relu(torch.randn(n, n_true) - .6)
feats = torch.relu(truth @ torch.nn.functional.pad(torch.eye(n_true), (0, n_sae - n_true)) + .5*torch.randn(n, n_sae) - .5)
feats[:, 11] = 0
x = truth @ true + bias
x[3] = 0
xh = feats @ sae + bias
def r(t): return np.asarray(t, dtype=np.float64).round(6).tolist()
# Everything is computed from the rounded numbers that the file holds.
def t(v): return torch.tensor(r(v), dtype=torch.float32)
true, sae, other, third, enc, bias, truth, feats, x, xh = map(t, (true, sae, other, third, enc, bias, truth, feats, x, xh))
unit = lambda m: m.double()/m.double().norm(dim=1, keepdim=True)
def mcc(a, b, signed=False):
    c = (unit(a) @ unit(b).T).numpy()
    c = c if signed else abs(c)
    i, j = linear_sum_assignment(-c)
    return float(c[i, j].mean())
sh = ShrinkageCalculator(); sh.add_batch(xh[:11], x[:11]); sh.add_batch(xh[11:], x[11:])
cc = ClassificationMetricsCalculator(sae, true); cc.add_batch(feats[:7], truth[:7]); cc.add_batch(feats[7:], truth[7:])
m = cc.compute()
c = (unit(sae) @ unit(sae).T).abs().numpy()
iu = np.triu_indices(n_sae, 1)
proj = np.sort(((x - bias).double() @ unit(sae).T).numpy().ravel())[::-1]
l0 = (feats > 0).sum(1).numpy()
out = dict(
  true_directions=r(true), directions=r(sae), other=r(other), third=r(third), encoder=r(enc), bias=r(bias), true_features=r(truth), features=r(feats), x=r(x), reconstruction=r(xh),
  mcc=mean_correlation_coefficient(sae, true), mcc_scipy=mcc(sae, true), mcc_signed=mcc(sae, true, True), mcc_reversed=mcc(true, sae),
  pw_mcc=dict(mean=float(np.mean([mcc(sae, other), mcc(sae, third), mcc(other, third)])), pairs=[mcc(sae, other), mcc(sae, third), mcc(other, third)]),
  uniqueness=feature_uniqueness(sae, true),
  best=(unit(sae) @ unit(true).T).abs().argmax(1).tolist(),
  classification=dict(precision=m.precision, recall=m.recall, f1=m.f1_score, accuracy=m.accuracy),
  shrinkage=sh.compute(),
  relative_reconstruction_bias=float((xh.double().norm(dim=-1)**2).mean() / (x.double()*xh.double()).sum(-1).mean()),
  c_dec=float(c[iu].mean()),
  s_dec={str(k): float(proj[round(k*n) - 1]) for k in (1, 2, 4, 5.5)},
  alignment=torch.nn.functional.cosine_similarity(enc.T.double(), sae.double(), dim=1).tolist(), encoder_norms=enc.double().norm(dim=0).tolist(),
  l0=dict(mean=float(l0.mean()), median=float(np.quantile(l0, .5, method='inverted_cdf')), p5=float(np.quantile(l0, .05, method='inverted_cdf')), p95=float(np.quantile(l0, .95, method='inverted_cdf')), counts=np.bincount(l0).tolist()),
)
json.dump(out, open(sys.argv[1], 'w'))
print({k: v for k, v in out.items() if not isinstance(v, list) or k == 'best'})
