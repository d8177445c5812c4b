"""Who submitted what: manifests, their score files, verification, published rows, the papers' claims, citations."""
