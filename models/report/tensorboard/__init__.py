"""What TensorBoard shows of a finished run."""
