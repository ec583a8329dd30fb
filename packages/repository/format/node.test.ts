backing up shop/daily
config "nodedir". This will stop working in the next major version of npm. See `npm help npmrc` for supported config options.
