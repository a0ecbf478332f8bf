"""Releases of all kinds while the cluster breaks, and an oracle that says what their verdicts had to be.

``plan`` derives a run from its seed, ``world`` and ``director`` play it, ``history`` keeps what etcd held, ``oracle``
judges the records of a run. Nothing here but ``run`` starts the product, and nothing imports it.
"""
