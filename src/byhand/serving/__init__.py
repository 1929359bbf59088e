"""From a model on disk to a service: what a machine lacks, the Ray Serve application, manifests."""
