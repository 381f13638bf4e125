"""Prometheus as the operator reads it: a constant handful of queries a tick, and no answer believed unchecked."""

from tightrope.adapters.prometheus.client import PrometheusMetrics
from tightrope.adapters.prometheus.gateway import GatewayNames
from tightrope.adapters.prometheus.presets import TargetLabels
from tightrope.adapters.prometheus.presets.generic import GenericNames
from tightrope.adapters.prometheus.session import Connection

__all__ = ["Connection", "GatewayNames", "GenericNames", "PrometheusMetrics", "TargetLabels"]
