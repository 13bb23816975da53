"""What the functions share: the flow, the pure core it thinks in, and the cloud it acts on."""
