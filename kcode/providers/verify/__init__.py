"""Does a vendor call tools as Moonshot itself does? The K2 Vendor Verifier's two numbers (facts H.1)."""
