"""`make live`: the whole house on this machine, from the render API to the pager, with eight days behind it."""
