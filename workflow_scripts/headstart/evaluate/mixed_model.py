"""Sensitivity analysis of the gains: a linear mixed model of each source's gain over the baseline, scan by scan."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from headstart.evaluate.bootstrap import CONFIDENCE
from headstart.evaluate.tables import BASELINE, CELL

FACTORS = ("scan", "resample")
FITTED = "fitted"
# A variance below this share of the residual variance is at its lower bound, 0.
_ZERO = 1e-4
# 1.959964; rounded, so that the last digits of the tables do not depend on the version of SciPy.
_NORMAL_QUANTILE = round(float(stats.norm.ppf((1 + CONFIDENCE) / 2)), 6)
_NUMBERS = ["gain", "low", "high", "sd_scan", "sd_resample", "sd_residual"]


def model(collected: pd.DataFrame) -> pd.DataFrame:
    """The gain of each source over the baseline at each set size and level, by restricted maximum likelihood.

    The score of a scan in a resample, minus the baseline's on the same, is a gain plus crossed random intercepts of
    scan and resample, plus noise. This is the model score ~ source with random intercepts and random effects of the
    source, by scan and by resample (Barr 2013), for two sources, whose intercepts and common effects cancel. ``low``
    and ``high``: Wald's 95 % confidence interval, which ignores the degrees of freedom and is too narrow with few scans
    or resamples, and therefore decides no significance; ``sd_scan``, ``sd_resample``, ``sd_residual``: standard
    deviations of the effects; ``status``: "fitted", "singular" with the effect whose variance is 0, or the reason why
    there is no fit, in which case all numbers are n/a.
    """
    scored = collected[collected["count"] > 0]
    scored = scored.assign(score=scored["total"] / scored["count"])
    rows = []
    for key, part in scored.groupby(CELL, sort=True):
        wide = part.pivot(index=list(FACTORS), columns="source", values="score")
        if BASELINE not in wide:
            continue
        for source in wide.columns.drop(BASELINE):
            gains = (wide[source] - wide[BASELINE]).dropna()
            row = {**dict(zip(CELL, key, strict=True)), "source": source, "baseline": BASELINE}
            rows.append(row | fit(gains.to_numpy(), *(gains.index.get_level_values(name) for name in FACTORS)))
    return pd.DataFrame(rows, columns=[*CELL, "source", "baseline", *_NUMBERS, "status"])


def fit(gains: np.ndarray, scans: pd.Index, resamples: pd.Index) -> dict[str, object]:
    """Fit the model to gains (n,), each of a scan in a resample: columns ``gain`` to ``status`` of :func:`model`."""
    missing = dict.fromkeys(_NUMBERS, np.nan)
    for name, levels in zip(FACTORS, (scans, resamples), strict=True):
        if levels.nunique() < 2:
            return missing | {"status": f"no fit: fewer than two {name}s with a score"}
    if np.ptp(gains) == 0:
        return missing | {"status": "no fit: all scans have the same gain"}
    effects = [pd.get_dummies(pd.Series(levels), dtype=float) for levels in (scans, resamples)]
    named = VCSpec(list(FACTORS), [[list(e.columns)] for e in effects], [[e.to_numpy()] for e in effects])
    ones = np.ones(len(gains))
    # The optimiser expects numbers of order 1.
    scale = gains.std()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # Gradient-based methods report convergence without having converged where a variance is 0.
            found = MixedLM(gains / scale, ones[:, None], ones, exog_vc=named).fit(reml=True, method=["powell"])
    except (np.linalg.LinAlgError, ValueError) as error:
        return missing | {"status": f"no fit: {error}"}
    if not found.converged:
        messages = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
        return missing | {"status": f"no fit: {(messages or ['it did not converge'])[0]}"}
    gain, error = found.fe_params[0], found.bse_fe[0]
    sizes = np.sqrt([*np.maximum(found.vcomp, 0), found.scale])
    numbers = np.array([gain, *(gain + np.array([-1, 1]) * _NORMAL_QUANTILE * error), *sizes]) * scale
    zero = [name for name, part in zip(FACTORS, found.vcomp, strict=True) if part < _ZERO * found.scale]
    status = f"singular: no variance of {' and '.join(zero)}" if zero else FITTED
    return dict(zip(_NUMBERS, map(float, numbers), strict=True)) | {"status": status}
