"""What TF Serving's two interfaces share: messages, tensors, status codes."""
