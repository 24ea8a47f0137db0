//! REST v3 at the edge: Cinder's API.
