"""Sphinx configuration.

From the project's root: ``python -m sphinx -W -b html docs docs/_build/html``.
Nothing is fetched while building: what the pages link to in other projects stands
in ``sklearn.inv``.
"""

import sys
from pathlib import Path

import sk_softmax

sys.path.insert(0, str(Path(__file__).parent))
from figure_style import STYLE

project = "sk_softmax"
copyright = "the sk_softmax developers"
release = version = sk_softmax.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
default_role = "code"

# -- API reference

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_class_members_toctree = False
# Their docstrings refer to labels of scikit-learn's own pages.
numpydoc_show_inherited_class_members = False
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}
intersphinx_mapping = {"sklearn": ("https://scikit-learn.org/stable", "sklearn.inv")}

# -- Figures

plot_rcparams = STYLE
plot_apply_rcparams = True
plot_formats = [("png", 200)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "doc_module": "sk_softmax",
    "reference_url": {"sk_softmax": None},
    "backreferences_dir": "generated/backreferences",
    "image_srcset": ["2x"],
    "reset_modules": ("matplotlib", "figure_style.apply"),
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
}

# -- HTML

html_theme = "pydata_sphinx_theme"
html_title = "sk_softmax"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
}
html_sidebars = {
    "index": [],
    "getting_started": [],
    "coming_from_logistic_regression": [],
    "api": [],
    "generated/*": [],
    "comparison": [],
    "performance": [],
    "design": [],
    "changelog": [],
}
