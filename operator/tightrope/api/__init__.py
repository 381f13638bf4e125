"""The custom resources: their models, their CRDs, and the way from a wire object to domain values and back.

The only room that knows the field names of `tightrope.dev/v1alpha1`. The controller calls `parse` for every object it
sees and `status` for every status it writes; `python -m tightrope.api.crd crds/` writes the CRDs.
"""
