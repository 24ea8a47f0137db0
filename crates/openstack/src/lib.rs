//! Keystone: obtaining tokens and reading the catalogue.
