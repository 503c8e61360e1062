"""A second opinion on gains: a linear mixed model of what each source gains over the baseline, scan by scan."""

import warnings

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from headstart.evaluate.tables import BASELINE, CELL

FACTORS = ("scan", "resample")
FITTED = "fitted"
# A variance below this share of the residual's lies on the boundary of what it may be.
_NOTHING = 1e-4
_NUMBERS = ["gain", "low", "high", "sd_scan", "sd_resample", "sd_residual"]


def model(collected: pd.DataFrame) -> pd.DataFrame:
    """What each source gains over the baseline at each set size and level, by restricted maximum likelihood.

    The score of a scan in a resample, less the baseline's on the same, is a gain plus random intercepts of scan and
    resample, crossed, plus noise. It is the model score ~ source with, by scan and by resample, random intercepts and
    random effects of the source (Barr 2013), for two sources, of which intercepts and common effects cancel. ``low``
    and ``high``: Wald's 95 % interval, which knows nothing of degrees of freedom and is too narrow with few scans or
    resamples; ``sd_scan``, ``sd_resample``, ``sd_residual``: standard deviations of the effects; ``status``: "fitted",
    "singular" with the effect that is nil, or why there is no fit, all else being n/a.
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
    """The model of gains (n,), each of a scan in a resample: columns ``gain`` to ``status`` of :func:`model`."""
    nothing = dict.fromkeys(_NUMBERS, np.nan)
    for name, levels in zip(FACTORS, (scans, resamples), strict=True):
        if levels.nunique() < 2:
            return nothing | {"status": f"left out: fewer than two {name}s with a score"}
    if np.ptp(gains) == 0:
        return nothing | {"status": "left out: all scans gain the same"}
    effects = [pd.get_dummies(pd.Series(levels), dtype=float) for levels in (scans, resamples)]
    named = VCSpec(list(FACTORS), [[list(e.columns)] for e in effects], [[e.to_numpy()] for e in effects])
    ones = np.ones(len(gains))
    # The optimiser works on scores of standard deviation 1.
    scale = gains.std()
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            # Methods that follow gradients say that they converged where a variance is nil and they did not.
            found = MixedLM(gains / scale, ones[:, None], ones, exog_vc=named).fit(reml=True, method=["powell"])
    except (np.linalg.LinAlgError, ValueError) as error:
        return nothing | {"status": f"left out: {error}"}
    if not found.converged:
        heard = [str(w.message) for w in said if issubclass(w.category, ConvergenceWarning)]
        return nothing | {"status": f"left out: {(heard or ['it did not converge'])[0]}"}
    gain, error = found.fe_params[0], found.bse_fe[0]
    sizes = np.sqrt([*np.maximum(found.vcomp, 0), found.scale])
    numbers = np.array([gain, *(gain + np.array([-1, 1]) * 1.959964 * error), *sizes]) * scale
    nil = [name for name, part in zip(FACTORS, found.vcomp, strict=True) if part < _NOTHING * found.scale]
    status = f"singular: no variance of {' and '.join(nil)}" if nil else FITTED
    return dict(zip(_NUMBERS, map(float, numbers), strict=True)) | {"status": status}
