//! What a site is: the model of site.toml, its checks and its numbered generations.
