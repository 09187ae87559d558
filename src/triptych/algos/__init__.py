"""The papers: one LightningModule per file."""
