"""Where a result comes from: the code and its versions, the machine, and the settings that decide the learning."""
