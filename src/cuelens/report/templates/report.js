{% include "players.js" %}
bind(document);
