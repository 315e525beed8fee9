"""Where selectables run: one adapter a database, all with the methods of `auditor.engine.base.Engine`."""
