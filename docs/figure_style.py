"""One style for the figures of the chapters and of the gallery.

The colours are those of M. Okabe and K. Ito, which are told apart with every
common colour blindness. Figures tell classes apart by marker or label too.
"""

import matplotlib as mpl

STYLE = {
    "axes.prop_cycle": mpl.cycler(
        color=["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]
    ),
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "axes.titlesize": "medium",
    "font.size": 12,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "savefig.dpi": 100,
}


def apply(gallery_conf, name):
    """sphinx-gallery's hook before every example."""
    mpl.rcParams.update(STYLE)
