"""The real control plane the tests run against: built from Go modules, started on loopback, pods played by kwok."""
