"""One vendor a module: clusters and stores behind the Protocols of runner.ports."""
