"""How displays look: axes, colours, markers, legends."""

import numpy as np

# The colours of Okabe and Ito, without yellow, which is faint on paper.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 3))]
GREY = "0.65"


def axes(ax, width=6.4, height=4.8):
    """The given axes, or those of a new figure if `ax` is None."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install matplotlib") from error
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def axis_of_C(ax, Cs):
    """Make a logarithmic axis of C; return positions, infinity a decade further."""
    infinite = np.isinf(Cs)
    last = ", none at the last" if infinite.any() else ""
    ax.set_xscale("log")
    ax.set_xlabel(f"C (penalty weaker to the right{last})")
    return np.where(infinite, 10 * np.max(Cs[~infinite], initial=0.1), Cs)


def line_style(k, markersize=None):
    """Colour and dashes of the k-th line; the first 49 all differ.

    With a size there are markers too, as of `dot_style`.
    """
    n = len(COLOURS)
    style = {"color": COLOURS[k % n], "linewidth": 1.8}
    style["linestyle"] = DASHES[(k + k // n) % n]
    if markersize is not None:
        style |= dot_style(k) | {"markersize": markersize}
    return style


def dot_style(k):
    """Colour and marker of the k-th series; the first 49 all differ."""
    n = len(COLOURS)
    return {"color": COLOURS[k % n], "marker": MARKERS[(k + k // n) % n]}


def literal(name):
    """A name as matplotlib shows it letter by letter: between $ it reads formulas."""
    return str(name).replace("$", r"\$")


def legend(ax, handles, title=None):
    """Put a legend beside the axes, where it hides nothing."""
    numbers = [str(k) for k in range(len(handles))]
    box = ax.legend(
        handles, numbers, title=title, loc="center left", bbox_to_anchor=(1.01, 0.5)
    )
    # as labels, names that begin with "_" would be left out by some versions
    for text, handle in zip(box.get_texts(), handles, strict=True):
        text.set_text(handle.get_label())


def drawn(display, ax):
    """The display, with the axes and the figure as attributes."""
    display.ax_, display.figure_ = ax, ax.figure
    return display
