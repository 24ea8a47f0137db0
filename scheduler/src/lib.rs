//! Placement, leases, the gRPC server and the reconcilers.
