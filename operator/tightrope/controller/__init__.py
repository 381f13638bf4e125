"""The edge of the operator: watches in, one tick for all services, writes out. The decisions themselves are made in
`domain`; here they are fed, carried out and told."""
