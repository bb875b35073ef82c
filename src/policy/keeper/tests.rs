//! Policies that come and go while the balancer runs.
